#pragma once

// The places inside a cluster's run directory.
//
// Unix sockets have at most 107 bytes of path, and Open vSwitch puts its own deep inside. So everything is named
// through root(): the directory itself, or, if its path is long, a short symbolic link to it.

#include <string>
#include <string_view>

#include "base/result.h"
#include "dev/process/ledger.h"

namespace berth::dev {

class RunDir {
 public:
  // Makes the folders and, if need be, the link (in `links`, a directory that exists). Logs go into the folder `logs`,
  // which stays, or, if that is empty, into one of the run directory's.
  [[nodiscard]] static Result<RunDir> make(Ledger& ledger, const std::string& logs = {},
                                           const std::string& links = "/tmp");

  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] std::string path(std::string_view name) const;  // "<root>/<name>"
  [[nodiscard]] const std::string& logs() const { return logs_; }
  [[nodiscard]] std::string log_of(std::string_view name) const;    // "<root>/logs/<name>.log"
  [[nodiscard]] std::string node_dir(std::string_view node) const;  // "<root>/nodes/<node>"

  // "berth-<id>-<name>": the name of a network namespace of this cluster.
  [[nodiscard]] std::string namespace_of(std::string_view name) const;

 private:
  std::string root_;
  std::string logs_;
  std::string id_;
};

}  // namespace berth::dev
