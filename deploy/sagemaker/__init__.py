"""Packing the models for Amazon SageMaker, and the requests that make, update and remove an endpoint."""
