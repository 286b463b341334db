#pragma once

// Looks whether something that a scenario expects is there now.

#include <optional>
#include <string>

#include <boost/json/object.hpp>

#include "scenarios/runner/place.h"

namespace berth::scenarios {

class Observer {
 public:
  explicit Observer(Place& place) : place_(place) {}

  // One item of `see`, its variables replaced. Nothing if it is as expected; else what differs.
  [[nodiscard]] std::optional<std::string> look(const boost::json::object& expectation);

  // The one row that fits. Errors: not_found, invalid (more than one).
  [[nodiscard]] Result<boost::json::object> find_row(const std::string& table, const boost::json::value& where);

 private:
  using Problem = std::optional<std::string>;
  Problem object(const boost::json::object& expectation);
  Problem absent(const std::string& text);
  Problem bound(const boost::json::object& expectation);
  Problem bound_pod(const boost::json::object& pod, const boost::json::object& expectation);
  Problem event(const boost::json::object& expectation, const std::string& on, bool wanted);
  Problem row(const boost::json::object& expectation);
  Problem no_row(const boost::json::object& expectation);
  Problem metric(const boost::json::object& expectation);

  Place& place_;
};

}  // namespace berth::scenarios
