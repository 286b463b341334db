#include <gtest/gtest.h>

#include "world/world.h"

namespace berth::world {
namespace {

Key subnet(int i) { return {KeyKind::subnet, std::to_string(i)}; }

TEST(DirtyKeys, EachIsTakenOnceInItsOrder) {
  World world{Settings()};
  for (const int i : {3, 1, 3, 2, 1}) world.mark_dirty(subnet(i));
  for (const int i : {3, 1, 2}) EXPECT_EQ(world.take_dirty(), subnet(i));
  EXPECT_EQ(world.take_dirty(), std::nullopt);
  EXPECT_FALSE(world.has_dirty());
}

TEST(DirtyKeys, WhoCanWaitLetsSevenOthersGoFirstButIsNotForgotten) {
  World world{Settings()};
  for (int i = 0; i < 100; ++i) world.mark_dirty_later(subnet(i));
  for (int i = 1000; i < 1014; ++i) world.mark_dirty(subnet(i));
  int early = 0;
  for (int taken = 0; taken < 16; ++taken) early += world.take_dirty()->name.size() == 4 ? 1 : 0;
  EXPECT_EQ(early, 14);
  int rest = 0;
  while (world.take_dirty()) ++rest;
  EXPECT_EQ(rest, 98);
}

TEST(DirtyKeys, WhoCanWaitIsTakenOnceAlsoIfHeIsMarkedAgain) {
  World world{Settings()};
  world.mark_dirty_later(subnet(1));
  world.mark_dirty(subnet(1));
  world.mark_dirty_later(subnet(1));
  EXPECT_TRUE(world.has_dirty());
  EXPECT_EQ(world.take_dirty(), subnet(1));
  EXPECT_EQ(world.take_dirty(), std::nullopt);
  EXPECT_FALSE(world.has_dirty());
}

}  // namespace
}  // namespace berth::world
