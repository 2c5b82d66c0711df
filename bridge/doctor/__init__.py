"""`chatbridge doctor`: asks everything that a worker depends on, and says of each part whether it is as it should be.

`results` judges answers, and is pure; the modules here ask. Nothing is written anywhere, and no chat is joined.
"""
