from django.urls import re_path

from livepool import api

VERSION = r"(?P<version>[^/]+)"

urlpatterns = [
    re_path(r"^livepool/current/?$", api.Current.as_view(), name="livepool-current"),
    re_path(r"^livepool/releases/?$", api.Releases.as_view(), name="livepool-releases"),
    re_path(
        rf"^livepool/releases/{VERSION}/?$",
        api.ReleaseDetail.as_view(),
        name="livepool-release",
    ),
    re_path(
        rf"^livepool/releases/{VERSION}/(?P<name>[^/]+)$",
        api.ReleaseFile.as_view(),
        name="livepool-file",
    ),
    re_path(
        r"^livepool/status/?$", api.PoolStatusView.as_view(), name="livepool-status"
    ),
]
