import torch

# The models of these tests are so small that a second thread only waits for the first one.
torch.set_num_threads(1)
