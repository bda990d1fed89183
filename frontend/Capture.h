// SPDX-License-Identifier: Apache-2.0
// Records a jitted body on real inputs: which cells it reads and rebinds, what it returns, and why it cannot be
// compiled if it cannot.
#pragma once
#include "frontend/Tensor.h"

namespace tinyfin {

class Capture;
/// A cell outside the body was read: it becomes an input.
void noteCaptureRead(Capture &capture, Cell &cell);
/// backward() created `.grad` of a cell.
void noteGradCreated(Cell &cell);
/// An observation inside a captured body: demotes the capture and computes.
void flushCapture(Recorder &recorder, const char *reason);

} // namespace tinyfin
