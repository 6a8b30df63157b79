"""Speech as jobs: records in Redis, work by Celery, results in a store, and a message when one has ended."""
