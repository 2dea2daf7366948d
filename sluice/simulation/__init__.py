"""A recorded time goes through the whole loop: questions are answered, labels come at their true
delay, what is monitored raises incidents, models are trained again. docs/simulate.md has more.
"""
