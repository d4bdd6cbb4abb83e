"""What is computed in each control step, compiled; `layout` names every number of an observation."""
