//! What an expression may look at while it is evaluated, and how it fails.

use std::cell::{Cell, OnceCell};

use serde_json::{Map, Value};

/// Everything an expression may depend on. Equal scopes give equal results.
pub struct Scope<'a> {
    /// `$`
    pub input: &'a Value,
    /// `$$`
    pub context: &'a Context<'a>,
    /// `$name`
    pub variables: &'a dyn Variables,
    /// For `States.UUID`, `States.MathRandom` and jitter.
    pub entropy: &'a Entropy,
}

impl<'a> Scope<'a> {
    /// The same scope with another `$`.
    pub fn with_input<'b>(&'b self, input: &'b Value) -> Scope<'b>
    where
        'a: 'b,
    {
        Scope { input, context: self.context, variables: self.variables, entropy: self.entropy }
    }
}

/// Workflow variables, looked up by name: who keeps them need not put them together for an expression.
pub trait Variables {
    fn get(&self, name: &str) -> Option<&Value>;
}

impl Variables for Map<String, Value> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.get(name)
    }
}

/// No variables at all.
pub struct NoVariables;

impl Variables for NoVariables {
    fn get(&self, _: &str) -> Option<&Value> {
        None
    }
}

/// The context object, built only when an expression asks for it: most states never do.
pub struct Context<'a> {
    make: Box<dyn Fn() -> Value + 'a>,
    made: OnceCell<Value>,
}

impl<'a> Context<'a> {
    pub fn new(make: impl Fn() -> Value + 'a) -> Context<'a> {
        Context { make: Box::new(make), made: OnceCell::new() }
    }

    pub fn object(&self) -> &Value {
        self.made.get_or_init(&self.make)
    }
}

/// A deterministic stream of random numbers (SplitMix64): the seed is an argument of the step.
pub struct Entropy(Cell<u64>);

impl Entropy {
    pub fn new(seed: u64) -> Entropy {
        Entropy(Cell::new(seed))
    }

    pub fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub fn unit(&self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// An expression failed: an AWS error name and the text that AWS gives as cause (without the state's prefix).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalError {
    /// For instance `States.ParameterPathFailure`, `States.IntrinsicFailure`, `States.Runtime`.
    pub error: &'static str,
    pub cause: String,
}

impl EvalError {
    pub fn new(error: &'static str, cause: impl Into<String>) -> EvalError {
        EvalError { error, cause: cause.into() }
    }

    pub fn runtime(cause: impl Into<String>) -> EvalError {
        EvalError::new("States.Runtime", cause)
    }
}
