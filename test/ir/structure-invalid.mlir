// RUN: %verify

func.func @alias_of_another_type(%x: tensor<4xf32>, %y: tensor<2xf32>) {
  // expected-error @+1 {{value is 'tensor<4xf32>', into is 'tensor<2xf32>': wanted one type}}
  %z = fin.alias %x into %y : tensor<4xf32>, tensor<2xf32>
  return
}

// -----

func.func @constant_of_no_fin_type() {
  // expected-error @+1 {{'fin.constant' op result #0 must be ranked tensor of}}
  %a = fin.constant dense<1> : tensor<2xi16>
  return
}

// -----

// A dynamic dim without a name says nothing.
func.func @unnamed_dim(%x: tensor<?xf32>) {
  // expected-error @+2 {{a dynamic dim has no name in #fin.tensor}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = fin.relu %x : (tensor<?xf32>) -> tensor<?xf32>
  return
}

// -----

func.func @rank_above_8(%x: tensor<1x1x1x1x1x1x1x1x1xf32>) {
  // expected-error @+2 {{rank 9 is more than the limit of 8}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = fin.relu %x : (tensor<1x1x1x1x1x1x1x1x1xf32>) -> tensor<1x1x1x1x1x1x1x1x1xf32>
  return
}

// -----

func.func @result_of_another_type(%x: tensor<4xf32>) {
  // expected-error @+2 {{inferred type(s) 'tensor<4xf32>' are incompatible with return type(s) of operation 'tensor<5xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = fin.relu %x : (tensor<4xf32>) -> tensor<5xf32>
  return
}
