"""The admin's theme: title and navigation by the operator's questions."""

UNFOLD = {
    "SITE_TITLE": "crunchsite",
    "SITE_HEADER": "crunchsite",
    "SITE_URL": "/",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
}
