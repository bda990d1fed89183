// SPDX-License-Identifier: Apache-2.0
// Declares the eager kernel of every op. An op missing here fails to compile in backends/interpreter with the
// sentence that says what to add.
#pragma once
#include "runtime/kernels/Kernel.h"

namespace tinyfin {

// elementwise
TINYFIN_KERNEL("fin.abs");
TINYFIN_KERNEL("fin.add");
TINYFIN_KERNEL("fin.cast");
TINYFIN_KERNEL("fin.clamp");
TINYFIN_KERNEL("fin.cos");
TINYFIN_KERNEL("fin.div");
TINYFIN_KERNEL("fin.eq");
TINYFIN_KERNEL("fin.erf");
TINYFIN_KERNEL("fin.exp");
TINYFIN_KERNEL("fin.ge");
TINYFIN_KERNEL("fin.gt");
TINYFIN_KERNEL("fin.le");
TINYFIN_KERNEL("fin.log");
TINYFIN_KERNEL("fin.logical_and");
TINYFIN_KERNEL("fin.logical_not");
TINYFIN_KERNEL("fin.logical_or");
TINYFIN_KERNEL("fin.logical_xor");
TINYFIN_KERNEL("fin.lt");
TINYFIN_KERNEL("fin.maximum");
TINYFIN_KERNEL("fin.minimum");
TINYFIN_KERNEL("fin.mul");
TINYFIN_KERNEL("fin.ne");
TINYFIN_KERNEL("fin.neg");
TINYFIN_KERNEL("fin.pow");
TINYFIN_KERNEL("fin.reciprocal");
TINYFIN_KERNEL("fin.relu");
TINYFIN_KERNEL("fin.rsqrt");
TINYFIN_KERNEL("fin.select");
TINYFIN_KERNEL("fin.sigmoid");
TINYFIN_KERNEL("fin.sign");
TINYFIN_KERNEL("fin.sin");
TINYFIN_KERNEL("fin.sqrt");
TINYFIN_KERNEL("fin.square");
TINYFIN_KERNEL("fin.sub");
TINYFIN_KERNEL("fin.tanh");

// reduction
TINYFIN_KERNEL("fin.argmax");
TINYFIN_KERNEL("fin.mean");
TINYFIN_KERNEL("fin.reduce_max");
TINYFIN_KERNEL("fin.reduce_min");
TINYFIN_KERNEL("fin.sum");

// effect
TINYFIN_KERNEL("fin.assert");
TINYFIN_KERNEL("fin.print");

// pooling
TINYFIN_KERNEL("fin.avg_pool2d");
TINYFIN_KERNEL("fin.avg_pool2d_grad");
TINYFIN_KERNEL("fin.max_pool2d");
TINYFIN_KERNEL("fin.max_pool2d_grad");

// composite
TINYFIN_KERNEL("fin.batch_norm");
TINYFIN_KERNEL("fin.batch_norm_inference");
TINYFIN_KERNEL("fin.bce_with_logits");
TINYFIN_KERNEL("fin.cross_entropy");
TINYFIN_KERNEL("fin.embedding");
TINYFIN_KERNEL("fin.gelu");
TINYFIN_KERNEL("fin.layer_norm");
TINYFIN_KERNEL("fin.log_softmax");
TINYFIN_KERNEL("fin.mse_loss");
TINYFIN_KERNEL("fin.softmax");

// attention
TINYFIN_KERNEL("fin.attention");
TINYFIN_KERNEL("fin.attention_grad");
TINYFIN_KERNEL("fin.packed_attention");
TINYFIN_KERNEL("fin.packed_attention_grad");

// shape
TINYFIN_KERNEL("fin.broadcast");
TINYFIN_KERNEL("fin.concat");
TINYFIN_KERNEL("fin.full");
TINYFIN_KERNEL("fin.gather");
TINYFIN_KERNEL("fin.iota");
TINYFIN_KERNEL("fin.pad");
TINYFIN_KERNEL("fin.reshape");
TINYFIN_KERNEL("fin.scatter_add");
TINYFIN_KERNEL("fin.slice");
TINYFIN_KERNEL("fin.slice_update");
TINYFIN_KERNEL("fin.transpose");

// contraction
TINYFIN_KERNEL("fin.conv2d");
TINYFIN_KERNEL("fin.conv2d_input_grad");
TINYFIN_KERNEL("fin.conv2d_weight_grad");
TINYFIN_KERNEL("fin.matmul");

// random
TINYFIN_KERNEL("fin.dropout");
TINYFIN_KERNEL("fin.normal");
TINYFIN_KERNEL("fin.random_bits");
TINYFIN_KERNEL("fin.uniform");

} // namespace tinyfin
