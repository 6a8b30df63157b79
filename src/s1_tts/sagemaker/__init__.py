"""Amazon SageMaker: what its container gets, and the requests that make and remove an endpoint."""
