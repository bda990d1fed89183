/* SPDX-License-Identifier: Apache-2.0 */
/* Computes the logits of 8x8 images with the compiled model, without Python, in batches of any size.
 * usage: classify IMAGES LOGITS BATCH    files of float32: N * 64 pixels in, N * 10 logits out */
#include "digits.h"
#include <stdio.h>
#include <stdlib.h>

enum { PIXELS = 64, CLASSES = 10 };

static float *read_floats(const char *path, size_t *count) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END)) return NULL;
  long bytes = ftell(file);
  rewind(file);
  float *data = bytes < 0 ? NULL : malloc((size_t)bytes + 1);
  *count = (size_t)bytes / sizeof(float);
  if (data && fread(data, sizeof(float), *count, file) != *count) {
    free(data);
    data = NULL;
  }
  fclose(file);
  return data;
}

static int classify(digits *model, const float *images, float *logits, int64_t count, int64_t batch) {
  for (int64_t at = 0; at < count; at += batch) {
    digits_args args = {.size = sizeof args};
    args.N = count - at < batch ? count - at : batch;
    args.x = images + at * PIXELS;
    args.result = logits + at * CLASSES;
    if (digits_run(model, &args) != DIGITS_OK) {
      fprintf(stderr, "classify: %s\n", digits_error(model));
      return 1;
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 4 || atoll(argv[3]) < 1) {
    fprintf(stderr, "usage: classify IMAGES LOGITS BATCH\n");
    return 2;
  }
  size_t floats = 0;
  float *images = read_floats(argv[1], &floats);
  int64_t count = (int64_t)(floats / PIXELS);
  float *logits = malloc(((size_t)count * CLASSES + 1) * sizeof(float));
  digits *model = digits_create();
  FILE *out = NULL;
  int failed = 1;
  if (!images || !logits)
    fprintf(stderr, "classify: cannot read %s\n", argv[1]);
  else if (!model)
    fprintf(stderr, "classify: %s\n", digits_error(NULL));
  else if (!classify(model, images, logits, count, atoll(argv[3]))) {
    out = fopen(argv[2], "wb");
    failed = !out || fwrite(logits, sizeof(float) * CLASSES, (size_t)count, out) != (size_t)count;
    if (out && fclose(out)) failed = 1;
    if (failed) fprintf(stderr, "classify: cannot write %s\n", argv[2]);
  }
  digits_destroy(model);
  free(logits);
  free(images);
  return failed;
}
