// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "test/ir/RuleCases.h"

namespace tinyfin::conformance {

/// Cases of every op in every dtype it takes: those on which derivatives are tested, larger and odd sizes that fill and
/// do not fill vectors, and the ops that have no derivative.
const std::vector<fin::test::RuleCase> &allCases();
/// Cases that fail when they run, on every backend with the same status code.
const std::vector<fin::test::RuleCase> &failingCases();

} // namespace tinyfin::conformance
