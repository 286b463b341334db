#pragma once

// A standalone ovsdb-server with one new database.

#include <chrono>
#include <string>

#include "base/result.h"
#include "dev/process/supervisor.h"

namespace berth::dev {

struct OvsdbProcess {
  std::string name;      // "ovn-nb": of the process and its control socket
  std::string schema;    // path of the .ovsschema file
  std::string database;  // path of the file to make
  std::string socket;    // path to listen on
  std::string control;   // path of its control socket
  std::string log_file;
};

// Makes the database and returns when the server accepts connections on the socket. Errors: invalid (schema, program
// missing), unavailable, timeout.
[[nodiscard]] Result<Supervisor::Id> start_ovsdb(Supervisor& supervisor, const OvsdbProcess& spec);

// Waits until somebody accepts on a unix socket; unavailable if the process ends before, timeout after the deadline.
[[nodiscard]] Status await_socket(Supervisor& supervisor, Supervisor::Id process, const std::string& path,
                                  std::chrono::milliseconds deadline);

}  // namespace berth::dev
