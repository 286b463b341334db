#pragma once

// Named network namespaces, in the folder and the manner of ip-netns(8), so that `ip netns exec NAME` works on them.
// All of this needs root (CAP_SYS_ADMIN); without it the calls fail with ErrorCode::forbidden.

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace berth::dev::netns {

// "/run/netns/<name>".
[[nodiscard]] std::string path_of(std::string_view name);

[[nodiscard]] bool exists(std::string_view name);

// "/run/netns".
[[nodiscard]] std::string folder();

// Takes the folder itself away, if no namespace is in it; otherwise, or if there is none, does nothing.
[[nodiscard]] Status remove_folder();

// Makes the namespace with its loopback interface up. already_exists if there is one of that name.
[[nodiscard]] Status create(const std::string& name);

// Takes the name away; the kernel then drops the namespace, with its links, as soon as nothing runs in it. No such name
// is no error.
[[nodiscard]] Status remove(const std::string& name);

// All names that begin so, sorted.
[[nodiscard]] std::vector<std::string> list(std::string_view prefix);

// The processes with at least their main thread inside; never this process itself.
[[nodiscard]] std::vector<pid_t> members(const std::string& name);

// Runs fn on a thread of its own inside the namespace and waits for it. What fn makes there (a socket, a link) stays
// there: a listening socket keeps serving that namespace wherever its descriptor is used.
[[nodiscard]] Status run_inside(const std::string& name, const std::function<Status()>& fn);

}  // namespace berth::dev::netns
