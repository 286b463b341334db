# Run as a script: writes OUTPUT, a C++ file that defines berth::<NAMESPACE>::kEmbeddedFiles, an array of the texts of FILES
# (a list separated by '|'), ended by nullptr.
string(REPLACE "|" ";" FILES "${FILES}")
set(body "")
foreach(file IN LISTS FILES)
  file(READ ${file} text)
  string(APPEND body "    R\"embedded(${text})embedded\",\n")
endforeach()
file(WRITE ${OUTPUT}
  "namespace berth::${NAMESPACE} {\nextern const char* const kEmbeddedFiles[];\nconst char* const kEmbeddedFiles[] = {\n${body}    nullptr};\n}\n")
