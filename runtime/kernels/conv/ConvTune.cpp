// SPDX-License-Identifier: Apache-2.0
// Which convolutions there are for a shape, and the trial.
#include "runtime/Config.h"
#include "runtime/kernels/Tune.h"
#include "runtime/kernels/conv/ConvColumns.h"
#include "runtime/kernels/conv/ConvRows.h"
#include "runtime/kernels/conv/ConvWinograd.h"
#include "runtime/kernels/conv/OneDnnSupport.h"

namespace tinyfin {
namespace {

using Named = std::pair<std::string, std::shared_ptr<const ConvPlan>>;

struct Sizes {
  explicit Sizes(const ConvSpec &spec) {
    auto [height, width] = spec.output();
    int64_t x = spec.images * spec.inChannels * spec.input[0] * spec.input[1], y = spec.images * spec.outChannels * height * width;
    int64_t weight = spec.outChannels * spec.inChannels * spec.kernel[0] * spec.kernel[1];
    bool isForward = spec.kind == ConvKind::Forward, isInputGrad = spec.kind == ConvKind::InputGrad;
    first = isInputGrad ? y : x, second = isForward || isInputGrad ? weight : y, result = isForward ? y : isInputGrad ? x : weight;
  }
  int64_t first, second, result;
};

std::vector<TuneCandidate> candidatesOf(const ConvSpec &spec, const std::vector<Named> &plans) {
  Sizes sizes(spec);
  if (static_cast<int64_t>(sizeOf(spec.dtype)) * (sizes.first + sizes.second + sizes.result) > kMostTrialBytes) return {};
  BufferRef first = tuneScratch(spec.dtype, sizes.first), second = tuneScratch(spec.dtype, sizes.second),
            result = tuneScratch(spec.dtype, sizes.result);
  if (!first || !second || !result) return {};
  std::vector<TuneCandidate> candidates;
  for (const auto &[name, plan] : plans)
    candidates.push_back({name, [first, second, result, plan = plan] {
                            return plan->execute(first->data(), second->data(), result->data(), ThreadPool::process());
                          }});
  return candidates;
}

} // namespace

std::vector<Named> allConvPlans(const ConvSpec &spec) {
  std::vector<Named> plans;
  auto add = [&](const char *name, std::shared_ptr<const ConvPlan> plan) {
    if (plan) plans.push_back({name, std::move(plan)});
  };
  if (spec.channelsLast) {
    if (prefersWinograd(spec) && !config::isDisabled("winograd")) add("winograd", makeWinogradConv(spec));
    add("half rows", makeHalfRowsConv(spec));
    add("rows", makeRowsConv(spec));
    return plans;
  }
  auto library = makeLibraryConv(spec);
  if (library.isOk()) add("library", library.value());
  add("columns", makeColumnsConv(spec));
  if (plans.size() > 1 && prefersColumns(spec)) std::swap(plans[0], plans[1]);
  return plans;
}

StatusOr<std::shared_ptr<const ConvPlan>> tunedConv(const ConvSpec &spec, TuneNotes &notes) {
  static onednn::MadeOnce chosen(1024); // plans are dear to make, and the table of choices holds none
  Words key = keyOf(spec);
  key.push_back(ThreadPool::process().threads());
  auto [height, width] = spec.output();
  if (spec.images * spec.inChannels * spec.outChannels * height * width == 0) return ConvPlan::cached(spec);
  constexpr const char *kinds[] = {"conv2d", "conv2d_input_grad", "conv2d_weight_grad"};
  std::string what = std::string(kinds[static_cast<int>(spec.kind)]) + " " + nameOf(spec.dtype) + " " + std::to_string(spec.images) + " x " +
                     std::to_string(spec.inChannels) + " to " + std::to_string(spec.outChannels) + " channels, " + std::to_string(height) + "x" +
                     std::to_string(width);
  std::vector<Named> plans;
  Autotune::Choice choice = Autotune::process().choose(what, key, [&] {
    plans = allConvPlans(spec);
    return candidatesOf(spec, plans);
  });
  notes.add(choice.note);
  if (choice.index == 0) return ConvPlan::cached(spec);
  auto plan = chosen.get(key, [&]() -> StatusOr<onednn::MadeOnce::Object> {
    if (plans.empty()) plans = allConvPlans(spec);
    if (choice.index >= plans.size()) return Status::error(StatusCode::InvalidArgument, "a choice of " + std::to_string(choice.index) + " among " + std::to_string(plans.size()) + " plans");
    return onednn::MadeOnce::Object(plans[choice.index].second);
  });
  if (!plan.isOk()) return ConvPlan::cached(spec);
  return std::static_pointer_cast<const ConvPlan>(plan.value());
}

} // namespace tinyfin
