// RUN: %canonicalize
// Each fold has its negative twin: what looks alike but would change a bit or a shape stays.

// CHECK-LABEL: @adding_minus_zero_is_nothing
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: return %[[X]]
func.func @adding_minus_zero_is_nothing(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = fin.constant dense<-0.0> : tensor<f32>
  %r = fin.add %x, %zero : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// -0.0 + 0.0 is 0.0.
// CHECK-LABEL: @adding_plus_zero_is_kept
// CHECK: fin.add
func.func @adding_plus_zero_is_kept(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = fin.constant dense<0.0> : tensor<f32>
  %r = fin.add %x, %zero : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// CHECK-LABEL: @integer_zero_on_the_left
// CHECK-SAME: (%[[X:.*]]: tensor<4xi64>)
// CHECK-NEXT: return %[[X]]
func.func @integer_zero_on_the_left(%x: tensor<4xi64>) -> tensor<4xi64> {
  %zero = fin.constant dense<0> : tensor<i64>
  %r = fin.add %zero, %x : (tensor<i64>, tensor<4xi64>) -> tensor<4xi64>
  return %r : tensor<4xi64>
}

// CHECK-LABEL: @subtracting_plus_zero_is_nothing
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: return %[[X]]
func.func @subtracting_plus_zero_is_nothing(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = fin.constant dense<0.0> : tensor<4xf32>
  %r = fin.sub %x, %zero : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// -0.0 - -0.0 is 0.0.
// CHECK-LABEL: @subtracting_minus_zero_is_kept
// CHECK: fin.sub
func.func @subtracting_minus_zero_is_kept(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = fin.constant dense<-0.0> : tensor<4xf32>
  %r = fin.sub %x, %zero : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// CHECK-LABEL: @one_behind_a_fill
// CHECK-SAME: (%[[X:.*]]: tensor<4xbf16>)
// CHECK-NEXT: return %[[X]], %[[X]]
func.func @one_behind_a_fill(%x: tensor<4xbf16>) -> (tensor<4xbf16>, tensor<4xbf16>) {
  %one = fin.constant dense<1.0> : tensor<bf16>
  %ones = fin.full %one {shape = [4]} : (tensor<bf16>) -> tensor<4xbf16>
  %a = fin.mul %x, %ones : (tensor<4xbf16>, tensor<4xbf16>) -> tensor<4xbf16>
  %b = fin.div %x, %ones : (tensor<4xbf16>, tensor<4xbf16>) -> tensor<4xbf16>
  return %a, %b : tensor<4xbf16>, tensor<4xbf16>
}

// CHECK-LABEL: @one_that_broadcasts_is_kept
// CHECK: fin.mul
func.func @one_that_broadcasts_is_kept(%x: tensor<f32>) -> tensor<4xf32> {
  %one = fin.constant dense<1.0> : tensor<4xf32>
  %r = fin.mul %x, %one : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// CHECK-LABEL: @not_everywhere_one_is_kept
// CHECK: fin.mul
func.func @not_everywhere_one_is_kept(%x: tensor<2xf32>) -> tensor<2xf32> {
  %c = fin.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %r = fin.mul %x, %c : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %r : tensor<2xf32>
}

// CHECK-LABEL: @powers_of_two_divide_by_multiplying
// CHECK-DAG: %[[EIGHTH:.*]] = fin.constant dense<1.250000e-01>
// CHECK-DAG: %[[THREE:.*]] = fin.constant dense<3.000000e+00>
// CHECK-DAG: fin.mul %{{.*}}, %[[EIGHTH]]
// CHECK-DAG: fin.div %{{.*}}, %[[THREE]]
func.func @powers_of_two_divide_by_multiplying(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %eight = fin.constant dense<8.0> : tensor<f32>
  %three = fin.constant dense<3.0> : tensor<f32>
  %a = fin.div %x, %eight : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = fin.div %x, %three : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %a, %b : tensor<4xf32>, tensor<4xf32>
}

// 2**-127 is no normal number in float32, and integers round.
// CHECK-LABEL: @inexact_inverses_are_kept
// CHECK: fin.div
// CHECK: fin.div
func.func @inexact_inverses_are_kept(%x: tensor<4xf32>, %i: tensor<4xi32>) -> (tensor<4xf32>, tensor<4xi32>) {
  %huge = fin.constant dense<0x7F000000> : tensor<f32>
  %two = fin.constant dense<2> : tensor<i32>
  %a = fin.div %x, %huge : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = fin.div %i, %two : (tensor<4xi32>, tensor<i32>) -> tensor<4xi32>
  return %a, %b : tensor<4xf32>, tensor<4xi32>
}

// CHECK-LABEL: @known_powers
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK: %[[SQUARE:.*]] = fin.square %[[X]]
// CHECK: %[[SQRT:.*]] = fin.sqrt %[[X]]
// CHECK: %[[INVERSE:.*]] = fin.reciprocal %[[X]]
// CHECK: %[[CUBE:.*]] = fin.pow %[[X]]
// CHECK: return %[[SQUARE]], %[[SQRT]], %[[INVERSE]], %[[X]], %[[CUBE]]
func.func @known_powers(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %two = fin.constant dense<2.0> : tensor<f32>
  %half = fin.constant dense<0.5> : tensor<f32>
  %minus = fin.constant dense<-1.0> : tensor<f32>
  %one = fin.constant dense<1.0> : tensor<f32>
  %three = fin.constant dense<3.0> : tensor<f32>
  %a = fin.pow %x, %two : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = fin.pow %x, %half : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %c = fin.pow %x, %minus : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %d = fin.pow %x, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %e = fin.pow %x, %three : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %a, %b, %c, %d, %e : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @power_that_broadcasts_is_kept
// CHECK: fin.pow
func.func @power_that_broadcasts_is_kept(%x: tensor<f32>) -> tensor<4xf32> {
  %two = fin.constant dense<2.0> : tensor<4xf32>
  %r = fin.pow %x, %two : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// CHECK-LABEL: @what_undoes_itself
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[P:.*]]: tensor<4xi1>)
// CHECK-NEXT: return %[[X]], %[[P]]
func.func @what_undoes_itself(%x: tensor<4xf32>, %p: tensor<4xi1>) -> (tensor<4xf32>, tensor<4xi1>) {
  %a = fin.neg %x : (tensor<4xf32>) -> tensor<4xf32>
  %b = fin.neg %a : (tensor<4xf32>) -> tensor<4xf32>
  %c = fin.logical_not %p : (tensor<4xi1>) -> tensor<4xi1>
  %d = fin.logical_not %c : (tensor<4xi1>) -> tensor<4xi1>
  return %b, %d : tensor<4xf32>, tensor<4xi1>
}

// CHECK-LABEL: @twice_is_once
// CHECK: %[[RELU:.*]] = fin.relu
// CHECK-NEXT: %[[ABS:.*]] = fin.abs
// CHECK-NEXT: %[[SIGN:.*]] = fin.sign
// CHECK-NEXT: return %[[RELU]], %[[ABS]], %[[SIGN]]
func.func @twice_is_once(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %a = fin.relu %x : (tensor<4xf32>) -> tensor<4xf32>
  %b = fin.relu %a : (tensor<4xf32>) -> tensor<4xf32>
  %c = fin.abs %x : (tensor<4xf32>) -> tensor<4xf32>
  %d = fin.abs %c : (tensor<4xf32>) -> tensor<4xf32>
  %e = fin.sign %x : (tensor<4xf32>) -> tensor<4xf32>
  %f = fin.sign %e : (tensor<4xf32>) -> tensor<4xf32>
  return %b, %d, %f : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @exp_twice_is_kept
// CHECK: fin.exp
// CHECK: fin.exp
func.func @exp_twice_is_kept(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = fin.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  %b = fin.exp %a : (tensor<4xf32>) -> tensor<4xf32>
  return %b : tensor<4xf32>
}

// CHECK-LABEL: @known_condition
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[Y:.*]]: tensor<f32>)
// CHECK-NEXT: %[[WIDE:.*]] = fin.broadcast %[[Y]] {shape = [4]}
// CHECK-NEXT: return %[[X]], %[[WIDE]]
func.func @known_condition(%x: tensor<4xf32>, %y: tensor<f32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %yes = fin.constant dense<true> : tensor<i1>
  %no = fin.constant dense<false> : tensor<i1>
  %a = fin.select %yes, %x, %y : (tensor<i1>, tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = fin.select %no, %x, %y : (tensor<i1>, tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %a, %b : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @unknown_condition_is_kept
// CHECK: fin.select
func.func @unknown_condition_is_kept(%x: tensor<2xf32>, %y: tensor<f32>) -> tensor<2xf32> {
  %c = fin.constant dense<[true, false]> : tensor<2xi1>
  %a = fin.select %c, %x, %y : (tensor<2xi1>, tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  return %a : tensor<2xf32>
}

// CHECK-LABEL: @neutral_truth
// CHECK-SAME: (%[[P:.*]]: tensor<4xi1>)
// CHECK-NEXT: return %[[P]], %[[P]], %[[P]]
func.func @neutral_truth(%p: tensor<4xi1>) -> (tensor<4xi1>, tensor<4xi1>, tensor<4xi1>) {
  %yes = fin.constant dense<true> : tensor<i1>
  %no = fin.constant dense<false> : tensor<i1>
  %a = fin.logical_and %p, %yes : (tensor<4xi1>, tensor<i1>) -> tensor<4xi1>
  %b = fin.logical_or %p, %no : (tensor<4xi1>, tensor<i1>) -> tensor<4xi1>
  %c = fin.logical_xor %p, %no : (tensor<4xi1>, tensor<i1>) -> tensor<4xi1>
  return %a, %b, %c : tensor<4xi1>, tensor<4xi1>, tensor<4xi1>
}

// CHECK-LABEL: @there_and_back_without_loss
// CHECK-SAME: (%[[X:.*]]: tensor<4xbf16>)
// CHECK-NEXT: %[[NARROW:.*]] = fin.cast %[[X]] {dtype = f16}
// CHECK-NEXT: return %[[X]], %[[X]], %[[NARROW]]
func.func @there_and_back_without_loss(%x: tensor<4xbf16>) -> (tensor<4xbf16>, tensor<4xbf16>, tensor<4xf16>) {
  %same = fin.cast %x {dtype = bf16} : (tensor<4xbf16>) -> tensor<4xbf16>
  %wide = fin.cast %x {dtype = f32} : (tensor<4xbf16>) -> tensor<4xf32>
  %back = fin.cast %wide {dtype = bf16} : (tensor<4xf32>) -> tensor<4xbf16>
  %other = fin.cast %wide {dtype = f16} : (tensor<4xf32>) -> tensor<4xf16>
  return %same, %back, %other : tensor<4xbf16>, tensor<4xbf16>, tensor<4xf16>
}

// CHECK-LABEL: @rounding_casts_are_kept
// CHECK: fin.cast %{{.*}} {dtype = bf16}
// CHECK: fin.cast %{{.*}} {dtype = f32}
// CHECK: fin.cast %{{.*}} {dtype = f32}
// CHECK: fin.cast %{{.*}} {dtype = i64}
func.func @rounding_casts_are_kept(%x: tensor<4xf32>, %i: tensor<4xi64>) -> (tensor<4xf32>, tensor<4xi64>) {
  %a = fin.cast %x {dtype = bf16} : (tensor<4xf32>) -> tensor<4xbf16>
  %b = fin.cast %a {dtype = f32} : (tensor<4xbf16>) -> tensor<4xf32>
  %c = fin.cast %i {dtype = f32} : (tensor<4xi64>) -> tensor<4xf32>
  %d = fin.cast %c {dtype = i64} : (tensor<4xf32>) -> tensor<4xi64>
  return %b, %d : tensor<4xf32>, tensor<4xi64>
}

// CHECK-LABEL: @log_of_softmax
// CHECK-SAME: (%[[X:.*]]: tensor<2x4xf32>)
// CHECK-NEXT: %[[LOG:.*]] = fin.log_softmax %[[X]] {axis = 0 : i64}
// CHECK-NEXT: return %[[LOG]]
func.func @log_of_softmax(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %s = fin.softmax %x {axis = 0 : i64} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %l = fin.log %s : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return %l : tensor<2x4xf32>
}

// CHECK-LABEL: @larger_of_one
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: return %[[X]], %[[X]]
func.func @larger_of_one(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %a = fin.maximum %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %b = fin.minimum %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %a, %b : tensor<4xf32>, tensor<4xf32>
}
