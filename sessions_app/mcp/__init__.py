"""The tools of the Model Context Protocol: what other agents may ask of sessions."""
