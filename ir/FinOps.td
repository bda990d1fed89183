// SPDX-License-Identifier: Apache-2.0
// All ops of the fin dialect, family by family.
#ifndef FIN_OPS_TD
#define FIN_OPS_TD
include "ElementwiseOps.td"
include "ShapeOps.td"
include "ReductionOps.td"
include "ContractionOps.td"
include "RandomOps.td"
include "CompositeOps.td"
include "AttentionOps.td"
include "StructureOps.td"
#endif
