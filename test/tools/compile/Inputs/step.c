/* SPDX-License-Identifier: Apache-2.0 */
/* Two steps of a "training" whose state is updated in place, and calls that are refused. */
#include "step.h"
#include <stdio.h>

int main(void) {
  step *self = step_create();
  if (!self) return puts(step_error(NULL)), 1;
  float x[3][2] = {{1, 2}, {1, 2}, {2.5f, 2}}, w[2] = {0, 0}, loss[3];
  for (int i = 1; i <= 2; ++i) {
    step_args args = {.size = sizeof(args), .N = 3, .x = &x[0][0], .w = w, .new_w = w, .loss = loss};
    if (step_run(self, &args) != STEP_OK) return puts(step_error(self)), 1;
    printf("step %d: loss %.4f w %.4f %.4f\n", i, loss[0], w[0], w[1]);
  }
  step_args bad = {.size = 8};
  printf("status %d: %s\n", step_run(self, &bad), step_error(self));
  bad.size = sizeof(bad), bad.x = &x[0][0];
  printf("status %d: %s\n", step_run(self, &bad), step_error(self));
  bad.N = 3;
  printf("status %d: %s\n", step_run(self, &bad), step_error(self));
  step_destroy(self);
  return 0;
}
