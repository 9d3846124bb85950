"""Asking models: tasks go to local models or servers, and answers come back as a table of responses."""
