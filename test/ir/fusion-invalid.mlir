// RUN: %verify

func.func @unknown_kind(%x: tensor<4xf32>) {
  // expected-error @+1 {{kind is "magic", wanted map, reduction, normalization, contraction or transform}}
  %r = fin.fusion "magic" (%a = %x : tensor<4xf32>) -> (tensor<4xf32>) {
    fin.yield %a : tensor<4xf32>
  }
  return
}

// -----

func.func @yields_another_type(%x: tensor<4xf32>) {
  %r = fin.fusion "map" (%a = %x : tensor<4xf32>) -> (tensor<2xf32>) {
    // expected-error @+1 {{yields 'tensor<4xf32>', wanted the fusion's results 'tensor<2xf32>'}}
    fin.yield %a : tensor<4xf32>
  }
  return
}

// -----

func.func @arguments_are_not_the_inputs(%x: tensor<4xf32>) {
  // expected-error @+1 {{block arguments are 'tensor<2xf32>', wanted the inputs' types 'tensor<4xf32>'}}
  %r = "fin.fusion"(%x) <{kind = "map"}> ({
  ^bb0(%a: tensor<2xf32>):
    "fin.yield"(%a) : (tensor<2xf32>) -> ()
  }) : (tensor<4xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @holds_an_effect(%x: tensor<4xf32>) {
  %r = fin.fusion "map" (%a = %x : tensor<4xf32>) -> (tensor<4xf32>) {
    // expected-error @+1 {{has an effect, wanted only pure ops in fin.fusion}}
    fin.print %a {message = "a"} : (tensor<4xf32>) -> ()
    fin.yield %a : tensor<4xf32>
  }
  return
}

// -----

func.func private @other() -> tensor<4xf32>
func.func @holds_another_dialect() {
  %r = fin.fusion "map" () -> (tensor<4xf32>) {
    // expected-error @+1 {{has no place in fin.fusion, which holds recorded fin ops and constants}}
    %a = func.call @other() : () -> tensor<4xf32>
    fin.yield %a : tensor<4xf32>
  }
  return
}

// -----

func.func @holds_a_fusion(%x: tensor<4xf32>) {
  %r = fin.fusion "map" (%a = %x : tensor<4xf32>) -> (tensor<4xf32>) {
    // expected-error @+1 {{has no place in fin.fusion}}
    %s = fin.fusion "map" (%b = %a : tensor<4xf32>) -> (tensor<4xf32>) {
      fin.yield %b : tensor<4xf32>
    }
    fin.yield %s : tensor<4xf32>
  }
  return
}

// -----

func.func @uses_a_value_from_outside(%x: tensor<4xf32>) {
  // expected-note @+1 {{required by region isolation constraints}}
  %r = fin.fusion "map" () -> (tensor<4xf32>) {
    // expected-error @+1 {{using value defined outside the region}}
    %a = fin.relu %x : (tensor<4xf32>) -> tensor<4xf32>
    fin.yield %a : tensor<4xf32>
  }
  return
}
