#include "ipam/address_space.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

namespace berth::ipam {

using net::Address;
using net::Cidr;
using net::Range;
using net::RangeSet;
using net::Uint128;

namespace {

const Spans kNoSpans;

const Spans& of(const std::shared_ptr<const Spans>& spans) { return spans ? *spans : kNoSpans; }

bool has_network_address(const Cidr& cidr) { return cidr.network().width() - cidr.prefix_length() > 1; }

// Modulo 2^128: of ::/0 it is 0.
Uint128 size_of(const Spans& spans) {
  Uint128 size = 0;
  for (const auto& span : spans) size += span.last - span.first + 1;
  return size;
}

Spans merged(Spans spans) {
  std::ranges::sort(spans, {}, &Span::first);
  std::size_t count = 0;
  for (const auto& span : spans) {
    if (count == 0 || (span.first > spans[count - 1].last && span.first - spans[count - 1].last > 1)) {
      spans[count++] = span;
    } else {
      spans[count - 1].last = std::max(spans[count - 1].last, span.last);
    }
  }
  spans.resize(count);
  return spans;
}

// Both ascending and disjoint.
Spans minus(const Spans& a, const Spans& b) {
  Spans result;
  if (a.size() + b.size() > 8) result.reserve(a.size() + b.size());
  auto cut = b.begin();
  for (const auto& span : a) {
    Uint128 first = span.first;
    bool open = true;
    while (cut != b.end() && cut->last < first) ++cut;
    for (auto it = cut; open && it != b.end() && it->first <= span.last; ++it) {
      if (it->first > first) result.push_back({first, it->first - 1});
      open = it->last < span.last;
      if (open) first = it->last + 1;
    }
    if (open) result.push_back({first, span.last});
  }
  return result;
}

bool covers(const Spans& spans, Uint128 o) {
  const auto it = std::ranges::upper_bound(spans, o, {}, &Span::first);
  return it != spans.begin() && std::prev(it)->last >= o;
}

}  // namespace

Counts AddressSpace::View::counts() const {
  return {size == 0 && whole && !whole->empty() ? ~Uint128{0} : size, used,
          size - drawable_size - (used - used_drawable), drawable_size - used_drawable};
}

bool AddressSpace::is_network_or_broadcast(const Address& a) const {
  if (!cidr_ || !has_network_address(*cidr_)) return false;
  return a == cidr_->network() || (a.is_v4() && a == cidr_->last());
}

bool AddressSpace::is_withheld(Offset o) const {
  if (withheld_.size() > 8) return covers(withheld_, o);
  return std::ranges::any_of(withheld_, [&](const Span& span) { return span.first <= o && o <= span.last; });
}

Spans AddressSpace::withheld_by(const std::vector<Address>& gateways, const std::vector<Range>& excludes) const {
  Spans withheld;
  if (!cidr_) return withheld;
  withheld.reserve(2 + gateways.size() + excludes.size());
  if (has_network_address(*cidr_)) {
    withheld.push_back({0, 0});
    withheld.push_back({largest_, largest_});
  }
  for (const auto& gateway : gateways) {
    if (contains(gateway)) withheld.push_back({offset_of(gateway), offset_of(gateway)});
  }
  const Address last = at(largest_);
  for (const auto& range : excludes) {
    if (range.family() != family_ || range.last < at(0) || range.first > last) continue;
    withheld.push_back({offset_of(std::max(range.first, at(0))), offset_of(std::min(range.last, last))});
  }
  return merged(std::move(withheld));
}

Spans AddressSpace::spans_of(const std::vector<Range>& ranges) const {
  Spans spans;
  if (!cidr_) return spans;
  const Address last = at(largest_);
  for (const auto& range : ranges) {
    if (range.last < at(0) || range.first > last) continue;
    spans.push_back({offset_of(std::max(range.first, at(0))), offset_of(std::min(range.last, last))});
  }
  return spans;
}

void AddressSpace::configure(std::optional<Cidr> cidr, const std::vector<Address>& gateways,
                             const std::vector<Range>& excludes) {
  assert(!cidr || cidr->family() == family_);
  OffsetSet released = std::exchange(general_.released, OffsetSet());
  for (auto& [name, pool] : pools_) {
    pool->released.for_each(0, largest_, [&](Offset o) { released.insert(o); });
    pool->released = OffsetSet();
  }
  if (cidr != cidr_) rebase(cidr, released);

  withheld_ = withheld_by(gateways, excludes);
  withheld_size_ = size_of(withheld_);
  used_withheld_ = 0;
  if (!used_.empty()) {
    for (const auto& span : withheld_) used_.for_each(span.first, span.last, [&](Offset) { ++used_withheld_; });
  }
  inside_drawable_ = cidr_ ? std::make_shared<const Spans>(minus(of(inside_), withheld_)) : nullptr;

  const Uint128 size = cidr_ ? largest_ + 1 : 0;
  general_ = {};
  general_.whole = inside_;
  general_.drawable = inside_drawable_;
  general_.size = size;
  general_.drawable_size = size - withheld_size_;
  general_.used = used_.size();
  general_.used_drawable = used_.size() - used_withheld_;
  general_.released = OffsetSet(largest_);
  for (auto& [name, pool] : pools_) carve(*pool);
  spread(released);
}

// Everything held or released moves to its offset in the new CIDR.
void AddressSpace::rebase(const std::optional<Cidr>& cidr, OffsetSet& released) {
  std::vector<Address> held;
  std::vector<Address> free_again;
  used_.for_each(0, largest_, [&](Offset o) { held.push_back(at(o)); });
  released.for_each(0, largest_, [&](Offset o) { free_again.push_back(at(o)); });
  for (const auto& range : strays_.ranges()) {
    for (Uint128 bits = range.first.bits();; ++bits) {
      held.emplace_back(family_, bits);
      if (bits == range.last.bits()) break;
    }
  }
  cidr_ = cidr;
  network_ = cidr_ ? cidr_->network().bits() : 0;
  largest_ = cidr_ ? cidr_->last().bits() - network_ : 0;
  inside_ = cidr_ ? std::make_shared<const Spans>(Spans{{0, largest_}}) : nullptr;
  used_ = OffsetSet(largest_);
  strays_ = {};
  for (const auto& a : held) {
    if (contains(a)) {
      used_.insert(offset_of(a));
    } else {
      strays_.add(a);
    }
  }
  released = OffsetSet(largest_);
  for (const auto& a : free_again) {
    if (contains(a)) released.insert(offset_of(a));
  }
}

// Precondition: no view has a released address.
void AddressSpace::spread(const OffsetSet& released) {
  released.for_each(0, largest_, [&](Offset o) {
    if (!is_withheld(o) && !used_.contains(o)) view_of(at(o)).released.insert(o);
  });
}

// General supply -> pool, whose ranges are set.
void AddressSpace::carve(View& pool) {
  pool.whole = std::make_shared<const Spans>(spans_of(pool.ranges));
  pool.drawable = std::make_shared<const Spans>(minus(*pool.whole, withheld_));
  pool.size = size_of(*pool.whole);
  pool.drawable_size = size_of(*pool.drawable);
  pool.released = OffsetSet(largest_);
  pool.used = 0;
  pool.used_drawable = 0;
  pool.span = 0;
  pool.cursor = 0;
  for (const auto& span : *pool.whole) used_.for_each(span.first, span.last, [&](Offset) { ++pool.used; });
  for (const auto& span : *pool.drawable) {
    used_.for_each(span.first, span.last, [&](Offset) { ++pool.used_drawable; });
    general_.released.for_each(span.first, span.last, [&](Offset o) { pool.released.insert(o); });
  }
  pool.released.for_each(0, largest_, [&](Offset o) { general_.released.erase(o); });
  general_.size -= pool.size;
  general_.drawable_size -= pool.drawable_size;
  general_.used -= pool.used;
  general_.used_drawable -= pool.used_drawable;
  general_stale_ = true;
}

void AddressSpace::settle_general() {
  Spans pooled;
  pooled.reserve(owned_.size());
  for (const auto& owned : owned_) {
    if (!cidr_ || owned.last < at(0) || owned.first > at(largest_)) continue;
    pooled.push_back({offset_of(std::max(owned.first, at(0))), offset_of(std::min(owned.last, at(largest_)))});
  }
  general_.whole = std::make_shared<const Spans>(minus(of(inside_), pooled));
  general_.drawable = std::make_shared<const Spans>(minus(of(inside_drawable_), pooled));
  general_.span = 0;
  general_.cursor = 0;
  general_stale_ = false;
}

void AddressSpace::set_pool(const std::string& pool, const RangeSet& of) {
  assert(!pool.empty());
  auto ranges = of.ranges();
  const auto known = pools_.find(pool);
  if (known != pools_.end() && known->second->ranges == ranges) return;
  remove_pool(pool);
  const auto it = pools_.emplace(pool, std::make_unique<View>()).first;
  View& view = *it->second;
  view.ranges = std::move(ranges);
  for (const auto& range : view.ranges) owned_.push_back({range.first, range.last, it->first, &view});
  std::ranges::sort(owned_, {}, &Owned::first);
  carve(view);
}

void AddressSpace::remove_pool(const std::string& pool) {
  const auto it = pools_.find(pool);
  if (it == pools_.end()) return;
  const View& view = *it->second;
  view.released.for_each(0, largest_, [&](Offset o) { general_.released.insert(o); });
  general_.size += view.size;
  general_.drawable_size += view.drawable_size;
  general_.used += view.used;
  general_.used_drawable += view.used_drawable;
  general_stale_ = true;
  std::erase_if(owned_, [&](const Owned& owned) { return owned.view == &view; });
  pools_.erase(it);
}

std::optional<std::pair<std::string, Range>> AddressSpace::overlap(const std::string& pool, const Range& range) const {
  auto it = std::ranges::upper_bound(owned_, range.first, {}, &Owned::first);
  if (it != owned_.begin()) --it;
  for (; it != owned_.end() && it->first <= range.last; ++it) {
    if (it->name != pool && it->last >= range.first)
      return std::pair(std::string(it->name), Range{it->first, it->last});
  }
  return std::nullopt;
}

const AddressSpace::Owned* AddressSpace::owned_at(const Address& a) const {
  const auto it = std::ranges::upper_bound(owned_, a, {}, &Owned::first);
  if (it == owned_.begin() || std::prev(it)->last < a) return nullptr;
  return &*std::prev(it);
}

std::string_view AddressSpace::pool_of(const Address& a) const {
  const Owned* owned = owned_.empty() ? nullptr : owned_at(a);
  return owned == nullptr ? std::string_view() : owned->name;
}

AddressSpace::View* AddressSpace::find_view(std::string_view pool) {
  if (pool.empty()) return &general_;
  const auto it = pools_.find(pool);
  return it == pools_.end() ? nullptr : it->second.get();
}

bool AddressSpace::has_room(std::string_view pool) const {
  const View* view = find_view(pool);
  return view != nullptr && view->has_room();
}

std::optional<Address> AddressSpace::next(std::string_view pool) {
  View* view = find_view(pool);
  if (view == nullptr || !view->has_room()) return std::nullopt;
  if (view == &general_ && general_stale_) settle_general();
  if (view->drawable_size - view->used_drawable == view->released.size()) return at(*view->released.lowest());
  return at(*first_free(*view));
}

// Free addresses only become fewer until the spans change, so the cursor only moves up.
std::optional<AddressSpace::Offset> AddressSpace::first_free(View& view) {
  const Spans& spans = of(view.drawable);
  for (; view.span < spans.size(); ++view.span) {
    const Span& span = spans[view.span];
    Offset o = std::max(view.cursor, span.first);
    while (o <= span.last) {
      const Offset index = o >> 6;
      const std::uint64_t busy = used_.word(index) | view.released.word(index);
      const std::uint64_t free = ~busy & (~std::uint64_t{0} << (o & 63));
      if (free != 0) {
        o = (index << 6) + static_cast<unsigned>(std::countr_zero(free));
        if (o > span.last) break;
        view.cursor = o;
        return o;
      }
      if ((o | 63) >= span.last) break;
      o = (o | 63) + 1;
    }
  }
  assert(false);
  return std::nullopt;
}

void AddressSpace::take(const Address& a) {
  assert(a.family() == family_ && !strays_.contains(a));
  if (!contains(a)) {
    strays_.add(a);
    return;
  }
  const Offset o = offset_of(a);
  [[maybe_unused]] const bool was_not = used_.insert(o);
  assert(was_not);
  View& view = view_of(a);
  ++view.used;
  if (is_withheld(o)) {
    ++used_withheld_;
  } else {
    ++view.used_drawable;
    if (!view.released.empty()) view.released.erase(o);
  }
}

void AddressSpace::give_back(const Address& a) {
  if (!contains(a)) {
    assert(strays_.contains(a));
    strays_.remove(a);
    return;
  }
  const Offset o = offset_of(a);
  [[maybe_unused]] const bool was = used_.erase(o);
  assert(was);
  View& view = view_of(a);
  --view.used;
  if (is_withheld(o)) {
    --used_withheld_;
  } else {
    --view.used_drawable;
    view.released.insert(o);
  }
}

RangeSet AddressSpace::taken() const {
  RangeSet all = strays_;
  used_.for_each_run(0, largest_, [&](Offset first, Offset last) { all.add(Range{at(first), at(last)}); });
  return all;
}

Counts AddressSpace::counts() const {
  if (!cidr_) return {};
  const Uint128 size = largest_ + 1;
  return {size == 0 ? ~Uint128{0} : size, used_.size(), withheld_size_ - used_withheld_,
          size - withheld_size_ - (used_.size() - used_withheld_)};
}

Counts AddressSpace::counts(std::string_view pool) const {
  const View* view = find_view(pool);
  return view == nullptr ? Counts{} : view->counts();
}

Uint128 AddressSpace::pooled() const {
  Uint128 available = 0;
  for (const auto& [name, pool] : pools_) available += pool->counts().available;
  return available;
}

Snapshot AddressSpace::snapshot() const {
  Snapshot snapshot;
  snapshot.network_ = at(0);
  snapshot.used_ = used_;
  snapshot.all_ = {"", counts(), inside_, inside_drawable_};
  for (const auto& [name, pool] : pools_) {
    snapshot.pools_.push_back({name, pool->counts(), pool->whole, pool->drawable});
  }
  return snapshot;
}

Status AddressSpace::check() const {
  if (!used_.check()) return fail(ErrorCode::internal, "the used bits and their summaries disagree");
  if (auto status = check_view("", general_); !status) return status;
  Uint128 size = general_.size;
  Uint128 used = general_.used;
  for (const auto& [name, pool] : pools_) {
    if (auto status = check_view(name, *pool); !status) return status;
    size += pool->size;
    used += pool->used;
  }
  if (size != (cidr_ ? largest_ + 1 : 0)) return fail(ErrorCode::internal, "the pools do not add up to the CIDR");
  if (used != used_.size()) return fail(ErrorCode::internal, "the pools' used addresses do not add up");
  Uint128 withheld = 0;
  used_.for_each(0, largest_, [&](Offset o) { withheld += covers(withheld_, o) ? 1 : 0; });
  if (withheld != used_withheld_) return fail(ErrorCode::internal, "used and withheld addresses are miscounted");
  for (const auto& range : strays_.ranges()) {
    if (contains(range.first) || contains(range.last)) return fail(ErrorCode::internal, "a stray is inside the CIDR");
  }
  return check_pools();
}

Status AddressSpace::check_view(std::string_view name, const View& view) const {
  const auto wrong = [&](std::string_view what) {
    return fail(ErrorCode::internal, fmt::format("{}: {}", name.empty() ? "general supply" : name, what));
  };
  if (!view.released.check()) return wrong("the released bits and their summaries disagree");
  Spans whole = of(view.whole);
  if (name.empty()) {  // worked out anew: its spans may be stale
    Spans pooled;
    for (const auto& [pool, other] : pools_) pooled.insert(pooled.end(), other->whole->begin(), other->whole->end());
    whole = minus(of(inside_), merged(std::move(pooled)));
  }
  const Spans drawable = minus(whole, withheld_);
  if (size_of(whole) != view.size || size_of(drawable) != view.drawable_size) return wrong("its size is miscounted");
  Uint128 used = 0;
  Uint128 used_drawable = 0;
  for (const auto& span : whole) used_.for_each(span.first, span.last, [&](Offset) { ++used; });
  for (const auto& span : drawable) used_.for_each(span.first, span.last, [&](Offset) { ++used_drawable; });
  if (used != view.used || used_drawable != view.used_drawable) return wrong("its used addresses are miscounted");
  bool ok = true;
  view.released.for_each(0, largest_, [&](Offset o) { ok = ok && covers(drawable, o) && !used_.contains(o); });
  if (!ok) return wrong("an address is released and used, withheld or foreign");
  if (name.empty() && general_stale_) return {};
  if (whole != of(view.whole) || drawable != of(view.drawable)) return wrong("its spans are not what it owns");
  Uint128 below = 0;  // busy addresses below the cursor, against all addresses there
  for (std::size_t i = 0; i < drawable.size() && i <= view.span && drawable[i].first < view.cursor; ++i) {
    const Uint128 last = std::min(drawable[i].last, view.cursor - 1);
    below += last - drawable[i].first + 1;
    used_.for_each(drawable[i].first, last, [&](Offset) { --below; });
    view.released.for_each(drawable[i].first, last, [&](Offset) { --below; });
  }
  if (below != 0) return wrong("a free address is below the cursor");
  return {};
}

Status AddressSpace::check_pools() const {
  std::size_t range_count = 0;
  for (const auto& [name, pool] : pools_) {
    range_count += pool->ranges.size();
    for (const auto& range : pool->ranges) {
      const Owned* owned = owned_at(range.first);
      if (owned == nullptr || owned->first != range.first || owned->last != range.last || owned->view != pool.get()) {
        return fail(ErrorCode::internal, fmt::format("pool {}: {} is not indexed", name, range.to_string()));
      }
    }
  }
  if (range_count != owned_.size()) return fail(ErrorCode::internal, "the index holds ranges of no pool");
  for (std::size_t i = 1; i < owned_.size(); ++i) {
    if (owned_[i].first <= owned_[i - 1].last) return fail(ErrorCode::internal, "two pools overlap");
  }
  return {};
}

}  // namespace berth::ipam
