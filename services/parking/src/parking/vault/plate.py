"""Korean registration plates."""

import re
import unicodedata

from city_backbone.errors import InvalidArgument

# 자동차등록번호판 등의 기준에 관한 고시; until 2004 (and for commercial cars) with the region.
_REGIONS = "서울|부산|대구|인천|광주|대전|울산|세종|경기|강원|충북|충남|전북|전남|경북|경남|제주"
_PLATE = re.compile(rf"(?:{_REGIONS})?[0-9]{{2,3}}[가-힣][0-9]{{4}}")
_BETWEEN = re.compile(r"[\s\-‐-―−]+")


def plate(field: str, text: str) -> str:
    """The one way to write it, as 12가3456, 123가4567 or 서울12가3456.

    Raises InvalidArgument, which does not tell what was given.
    """
    normal = _BETWEEN.sub("", unicodedata.normalize("NFKC", text[:100]))
    if not _PLATE.fullmatch(normal):
        raise InvalidArgument(field, "expected a plate, as 12가3456 or 서울12가3456")
    return normal
