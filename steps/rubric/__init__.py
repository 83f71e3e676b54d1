"""The rubric: forty checks on a finished article, no model needed.

Sixteen are the original service's; the others follow the guidelines named in their ``source``.
"""

from steps.rubric.article import Article
from steps.rubric.scoring import CHECKS, PASS_SCORE, Assessment, assess, score_article

__all__ = ["CHECKS", "PASS_SCORE", "Article", "Assessment", "assess", "score_article"]
