"""The journal: answered reflections, kept where the operator asks for it, and what people say really came of them."""
