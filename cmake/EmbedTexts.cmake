# cmake -DOUTPUT=x.cpp -DHEADER=dir/x.h -DNAMESPACE=a::b -DFUNCTION=f -DFILES=a.yaml,b.yaml -P EmbedTexts.cmake
#
# Writes a source file with a function that returns the texts of the files, in order, as a vector of string views.
string(REPLACE "," ";" files "${FILES}")
set(body "")
foreach(file IN LISTS files)
  file(READ ${file} text)
  string(APPEND body "    R\"EMBEDDED(${text})EMBEDDED\",\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"${HEADER}\"

namespace ${NAMESPACE} {

std::vector<std::string_view> ${FUNCTION}() {
  return {
${body}  };
}

}  // namespace ${NAMESPACE}
")
