#pragma once

// How calls of the Kubernetes API look on the wire, both ways. Pure; any thread.

#include <chrono>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "api/request.h"
#include "base/result.h"
#include "kube/transport.h"

namespace berth::kube {

[[nodiscard]] std::string_view method_of(api::Verb verb);

// Of the request's body.
[[nodiscard]] std::string_view content_type_of(api::Verb verb);

[[nodiscard]] constexpr bool is_write(api::Verb verb) { return verb != api::Verb::get && verb != api::Verb::list; }

// One page of a list: at most limit items (0: all), going on behind what `next` stands for (empty: from the start).
struct Page {
  std::size_t limit = 0;
  std::string next;
};

// Path and query, escaped.
[[nodiscard]] std::string target_of(const api::Request& request, const Page& page = {});
[[nodiscard]] std::string target_of(const WatchRequest& request, std::chrono::seconds server_timeout);

// "update subnets/a", "list pods in web": for messages.
[[nodiscard]] std::string describe(const api::Request& request);
[[nodiscard]] std::string describe(const WatchRequest& request);

// What an HTTP status above 299 means, with the words of the Status object that came with it (anything else: the status
// code's own). transport.h lists the codes. A resourceVersion that the server does not know yet (a restored backup)
// reads as gone.
[[nodiscard]] Error error_of(int http_status, const boost::json::value& status);
[[nodiscard]] Error error_of_body(int http_status, std::string_view body);

// JSON of an answer or an event; internal if it is none. Nesting is limited.
[[nodiscard]] Result<boost::json::value> parse_body(std::string_view text);

// Drops metadata.managedFields, which nothing here reads and which can be half of an object.
void slim(boost::json::value& object);

// Appends the items of a page to `whole`, which becomes the first page if it is null. Items get the apiVersion and kind
// that a list leaves out. Returns where the next page begins; empty: that was the last.
[[nodiscard]] Result<std::string> append_page(boost::json::value& whole, boost::json::value page, api::Kind kind);

// One line of a watch. An ERROR event is the error that it holds; anything unknown is internal.
[[nodiscard]] Result<WatchEvent> parse_event(std::string_view line);

}  // namespace berth::kube
