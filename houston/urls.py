"""Every address on one screen. `a/<account id>/` is for members of that account alone."""

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from functions.urls import console_urls
from houston import health, views
from invoker.urls import event_urls

# a/<account_id>/settings/
settings_urls = [
    path("", RedirectView.as_view(pattern_name="connections"), name="settings"),
    path("connections/", views.connection_list, name="connections"),
    path("connections/new/", views.connection_new, name="connection-new"),
    path("connections/<uuid:connection_id>/", views.connection, name="connection"),
    path(
        "connections/<uuid:connection_id>/switch/",
        views.connection_switch,
        name="connection-switch",
    ),
    path(
        "connections/<uuid:connection_id>/rotate-signing-secret/",
        views.connection_rotate,
        {"secret": views.SIGNING},
        name="connection-rotate-signing",
    ),
    path(
        "connections/<uuid:connection_id>/rotate-callback-secret/",
        views.connection_rotate,
        {"secret": views.CALLBACK},
        name="connection-rotate-callback",
    ),
    path("members/", views.member_list, name="members"),
    path("members/add/", views.member_add, name="member-add"),
    path("members/<int:user_id>/roles/", views.member_roles, name="member-roles"),
    path("members/<int:user_id>/remove/", views.member_remove, name="member-remove"),
    path("allow-list/", views.domain_list, name="domains"),
    path("allow-list/add/", views.domain_add, name="domain-add"),
    path("allow-list/<int:domain_id>/delete/", views.domain_delete, name="domain-delete"),
    path("secrets/", views.secret_list, name="secrets"),
    path("secrets/add/", views.secret_add, name="secret-add"),
    path("secrets/<int:secret_id>/", views.secret_replace, name="secret-replace"),
    path("secrets/<int:secret_id>/delete/", views.secret_delete, name="secret-delete"),
]

# a/<account_id>/
account_urls: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="functions:list"), name="account"),
    path("setup/", views.account_setup, name="account-setup"),
    path("setup/controller-bot/", views.setup_controller_bot, name="setup-controller-bot"),
    path("setup/functions/", views.setup_functions, name="setup-functions"),
    path("settings/", include(settings_urls)),
    path("", include((console_urls, "functions"))),
]

urlpatterns = [
    path("", views.home, name="home"),
    path("sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("password/", views.ChangePassword.as_view(), name="password"),
    path("theme/", views.theme, name="theme"),
    path("accounts/", views.account_list, name="accounts"),
    path("accounts/new/", views.account_new, name="account-new"),
    path("accounts/health/", health.page, name="health"),
    path("a/<str:account_id>/", include(account_urls)),
    # Messaging platforms, signed by each in its own way.
    path("events/", include(event_urls)),
    # Whatever watches over the processes.
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]

handler400 = "houston.errors.bad_request"
handler403 = "houston.errors.permission_denied"
handler404 = "houston.errors.page_not_found"
handler500 = "houston.errors.server_error"
