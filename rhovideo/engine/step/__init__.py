"""Parts of one training step: averaging gradients, agreeing on the step, and keeping a bad one from the weights."""
