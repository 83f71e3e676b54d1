"""``python -m bench.evaluate``: twenty topics through a private service, judged from outside.

What is judged is what a client gets: the scores of the rubric, and, without taking the report's
word for it, whether every reference answers, where every link leads and whether the HTML holds
anything that the sanitiser should have stopped.
"""
