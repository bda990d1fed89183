// SPDX-License-Identifier: Apache-2.0
// Groups in random graphs are merged as far as they can be; a search over the whole graph says what may be merged.
#include "passes/GroupOrder.h"
#include "gtest/gtest.h"
#include <random>
#include <set>

using namespace tinyfin::fin;

namespace {

/// Searches everything, from every group that the later one needs.
class Reference {
public:
  explicit Reference(const std::vector<GroupOrder::Numbers> &needs) : needs(needs), group(needs.size()) {
    for (unsigned i = 0; i < needs.size(); ++i) group[i] = i;
  }
  bool hasDetour(unsigned a, unsigned b) const { return leadsTo(a, b) || leadsTo(b, a); }
  void merge(unsigned a, unsigned b) {
    for (unsigned &g : group)
      if (g == std::max(a, b)) g = std::min(a, b);
  }
  unsigned of(unsigned node) const { return group[node]; }

private:
  bool leadsTo(unsigned from, unsigned to) const {
    std::set<unsigned> seen;
    std::vector<unsigned> stack;
    auto visit = [&](unsigned g, bool isFirst) {
      for (unsigned i = 0; i < needs.size(); ++i)
        if (group[i] == g)
          for (unsigned need : needs[i]) {
            unsigned third = group[need];
            if (third == to && !isFirst) return true;
            if (third != to && third != from && seen.insert(third).second) stack.push_back(third);
          }
      return false;
    };
    if (visit(from, true)) return true;
    while (!stack.empty()) {
      unsigned next = stack.back();
      stack.pop_back();
      if (visit(next, false)) return true;
    }
    return false;
  }
  std::vector<GroupOrder::Numbers> needs;
  std::vector<unsigned> group;
};

std::vector<GroupOrder::Numbers> randomGraph(unsigned nodes, unsigned span, std::mt19937 &random) {
  std::vector<GroupOrder::Numbers> needs(nodes);
  for (unsigned i = 1; i < nodes; ++i)
    for (unsigned count = random() % 4; count > 0; --count) {
      unsigned need = i - 1 - random() % std::min(i, span);
      if (!llvm::is_contained(needs[i], need)) needs[i].push_back(need);
    }
  return needs;
}

void mergeAtRandom(unsigned nodes, unsigned span, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<GroupOrder::Numbers> needs = randomGraph(nodes, span, random);
  GroupOrder order(needs);
  Reference reference(needs);
  unsigned merged = 0, refused = 0;
  for (int i = 0; i < 600; ++i) {
    unsigned a = order.rootOf(random() % nodes), b = order.rootOf(random() % nodes);
    ASSERT_EQ(reference.of(a), a);
    if (a == b) continue;
    bool hasDetour = order.hasDetour(a, b);
    ASSERT_EQ(hasDetour, reference.hasDetour(a, b)) << "seed " << seed << ", groups " << a << " and " << b;
    hasDetour ? ++refused : ++merged;
    if (hasDetour || random() % 4 == 0) continue;
    ASSERT_EQ(order.merge(a, b), std::min(a, b));
    reference.merge(a, b);
    ASSERT_TRUE(llvm::is_sorted(order.membersOf(std::min(a, b))));
  }
  EXPECT_GT(merged, 5u);
  EXPECT_GT(refused, 5u);
}

} // namespace

TEST(GroupOrder, AgreesWithASearchOfTheWholeGraph) {
  for (unsigned seed = 0; seed < 12; ++seed) {
    mergeAtRandom(40, 40, seed);
    mergeAtRandom(90, 6, seed);  // long and thin, more than a word of nodes
    mergeAtRandom(150, 30, seed);
  }
}

TEST(GroupOrder, EndsOfAPathDoNotMergeAroundItsMiddle) {
  GroupOrder order({{}, {0}, {1}});
  EXPECT_TRUE(order.hasDetour(0, 2));
  EXPECT_FALSE(order.hasDetour(0, 1));
  EXPECT_EQ(order.merge(0, 1), 0u);
  EXPECT_FALSE(order.hasDetour(2, 0));
  EXPECT_EQ(order.merge(2, 0), 0u);
  EXPECT_EQ(order.rootOf(2), 0u);
  EXPECT_EQ(order.membersOf(0), (llvm::ArrayRef<unsigned>{0, 1, 2}));
}

TEST(GroupOrder, AMergeCanForbidAnother) {
  GroupOrder order({{}, {}, {0}, {1}}); // 2 needs 0, 3 needs 1
  EXPECT_FALSE(order.hasDetour(0, 3));
  order.merge(0, 3); // now 2 needs what needs 1
  EXPECT_TRUE(order.hasDetour(1, 2));
}

TEST(GroupOrder, ManyMergesAtOnePlaceKeepTheOrder) {
  // Everything moves in front of node 0's group, again and again: the labels there run out.
  constexpr unsigned kPairs = 60;
  std::vector<GroupOrder::Numbers> needs{{}};
  for (unsigned i = 0; i < kPairs; ++i) {
    needs.push_back({});                                           // a source
    needs.push_back({static_cast<unsigned>(needs.size()) - 1}); // its reader, which joins node 0
  }
  GroupOrder order(needs);
  for (unsigned i = 0; i < kPairs; ++i) {
    ASSERT_FALSE(order.hasDetour(0, 2 * i + 2));
    order.merge(0, 2 * i + 2);
  }
  for (unsigned i = 0; i < kPairs; ++i) EXPECT_FALSE(order.hasDetour(0, 2 * i + 1)); // a source that the group needs
  EXPECT_EQ(order.membersOf(0).size(), kPairs + 1);
}
