"""Every address on one screen. `a/<account id>/` is for members of that account alone."""

from allauth.account import views as allauth_views
from allauth.mfa.base import views as mfa_views
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as passkeys
from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView

from functions.urls import api_urls, console_urls
from houston import connecting, exposition, health, vendor
from houston.openapi import OpenApi
from houston.views import (
    accounts,
    alerts,
    audit_log,
    automatic_messages,
    bot_settings,
    clients,
    connections,
    domains,
    handbook,
    home,
    hours,
    idle_times,
    invitations,
    me,
    members,
    notifications,
    patterns,
    people,
    reference,
    retention,
    searching,
    secrets,
    session_token,
    setting_up,
    settings_overview,
    signing_in,
    single_sign_on,
)
from invoker.urls import event_urls, gateway_urls

# a/<account_id>/settings/automatic-messages/
message_urls: list[URLPattern | URLResolver] = [
    path("", automatic_messages.message_list, name="automatic-messages"),
    path("export/", automatic_messages.message_export, name="automatic-messages-export"),
    path("import/", automatic_messages.message_import, name="automatic-messages-import"),
    path(
        "preview/",
        automatic_messages.message_preview,
        name="automatic-message-preview",
    ),
    path(
        "rows/<int:message_id>/save/",
        automatic_messages.message_save,
        name="automatic-message-save",
    ),
    path(
        "rows/<int:message_id>/switch/",
        automatic_messages.message_switch,
        name="automatic-message-switch",
    ),
    path(
        "rows/<int:message_id>/texts/add/",
        automatic_messages.text_add,
        name="automatic-text-add",
    ),
    path(
        "rows/<int:message_id>/texts/delete/",
        automatic_messages.text_delete,
        name="automatic-text-delete",
    ),
    path(
        "rows/<int:message_id>/delete/",
        automatic_messages.skill_delete,
        name="automatic-message-delete",
    ),
    path("<str:subtype>/", automatic_messages.message_page, name="automatic-message"),
    path(
        "<str:subtype>/skills/add/",
        automatic_messages.skill_add,
        name="automatic-message-skill",
    ),
    path(
        "<str:subtype>/reset/",
        automatic_messages.message_reset,
        name="automatic-message-reset",
    ),
]

# a/<account_id>/settings/office-hours/
hours_urls: list[URLPattern | URLResolver] = [
    path("", hours.hours_list, name="hours"),
    path("new/", hours.hours_new, name="hours-new"),
    path("import/", hours.hours_import, name="hours-import"),
    path(
        "export/working-hours/", hours.hours_export, {"kind": "workdays"}, name="hours-export-days"
    ),
    path(
        "export/special-occasions/",
        hours.hours_export,
        {"kind": "occasions"},
        name="hours-export-occasions",
    ),
    path("<int:hours_id>/", hours.hours_profile, name="hours-profile"),
    path("<int:hours_id>/week/", hours.hours_week, name="hours-week"),
    path("<int:hours_id>/off/", hours.hours_off, name="hours-off"),
    path("<int:hours_id>/on/", hours.hours_on, name="hours-on"),
    path("<int:hours_id>/delete/", hours.hours_delete, name="hours-delete"),
    path("<int:hours_id>/occasions/add/", hours.occasion_add, name="occasion-add"),
    path(
        "<int:hours_id>/occasions/<int:number>/delete/",
        hours.occasion_delete,
        name="occasion-delete",
    ),
]

# a/<account_id>/settings/alerts/
alert_urls: list[URLPattern | URLResolver] = [
    path("", alerts.alert_list, name="alerts"),
    path("new/", alerts.alert_new, name="alert-new"),
    path("<uuid:alert_id>/", alerts.alert, name="alert"),
    path("<uuid:alert_id>/test/", alerts.alert_test, name="alert-test"),
    path("<uuid:alert_id>/switch/", alerts.alert_switch, name="alert-switch"),
    path("<uuid:alert_id>/rotate-secret/", alerts.alert_rotate, name="alert-rotate"),
    path("<uuid:alert_id>/delete/", alerts.alert_delete, name="alert-delete"),
]

# a/<account_id>/settings/api-clients/
api_client_urls: list[URLPattern | URLResolver] = [
    path("", clients.client_list, name="api-clients"),
    path("new/", clients.client_new, name="api-client-new"),
    path("<uuid:client_id>/", clients.client, name="api-client"),
    path("<uuid:client_id>/renew-secret/", clients.client_renew, name="api-client-renew"),
    path("<uuid:client_id>/revoke/", clients.client_revoke, name="api-client-revoke"),
]

# a/<account_id>/settings/
settings_urls: list[URLPattern | URLResolver] = [
    path("", settings_overview.settings_overview, name="settings"),
    path("connections/", connections.connection_list, name="connections"),
    path("connections/new/", connections.connection_new, name="connection-new"),
    path("connections/<uuid:connection_id>/", connections.connection, name="connection"),
    path(
        "connections/<uuid:connection_id>/notifications/",
        notifications.notification_list,
        name="connection-notifications",
    ),
    path(
        "connections/<uuid:connection_id>/test/",
        connections.connection_test,
        name="connection-test",
    ),
    path(
        "connections/<uuid:connection_id>/switch/",
        connections.connection_switch,
        name="connection-switch",
    ),
    path(
        "connections/<uuid:connection_id>/rotate-signing-secret/",
        connections.connection_rotate,
        {"secret": connecting.SIGNING},
        name="connection-rotate-signing",
    ),
    path(
        "connections/<uuid:connection_id>/rotate-callback-secret/",
        connections.connection_rotate,
        {"secret": connecting.CALLBACK},
        name="connection-rotate-callback",
    ),
    path(
        "connections/<uuid:connection_id>/end-previous-signing-secret/",
        connections.connection_end_previous,
        {"secret": connecting.SIGNING},
        name="connection-end-signing",
    ),
    path(
        "connections/<uuid:connection_id>/end-previous-callback-secret/",
        connections.connection_end_previous,
        {"secret": connecting.CALLBACK},
        name="connection-end-callback",
    ),
    path("api-clients/", include(api_client_urls)),
    path("members/", members.member_list, name="members"),
    path("members/add/", members.member_add, name="member-add"),
    path("members/invitations/new/", invitations.invitation_add, name="invitation-add"),
    path(
        "members/invitations/<uuid:invitation_id>/renew/",
        invitations.invitation_renew,
        name="invitation-renew",
    ),
    path(
        "members/invitations/<uuid:invitation_id>/revoke/",
        invitations.invitation_revoke,
        name="invitation-revoke",
    ),
    path("members/<int:user_id>/roles/", members.member_roles, name="member-roles"),
    path("members/<int:user_id>/remove/", members.member_remove, name="member-remove"),
    path("allow-list/", domains.domain_list, name="domains"),
    path("allow-list/add/", domains.domain_add, name="domain-add"),
    path("allow-list/<int:domain_id>/delete/", domains.domain_delete, name="domain-delete"),
    path("secrets/", secrets.secret_list, name="secrets"),
    path("secrets/add/", secrets.secret_add, name="secret-add"),
    path("secrets/<int:secret_id>/", secrets.secret_replace, name="secret-replace"),
    path("secrets/<int:secret_id>/delete/", secrets.secret_delete, name="secret-delete"),
    path("office-hours/", include(hours_urls)),
    path("automatic-messages/", include(message_urls)),
    path("idle-times/", idle_times.idle_times, name="idle-times"),
    path("idle-times/skills/", idle_times.idle_time_skill, name="idle-time-skill"),
    path(
        "idle-times/skills/<int:message_id>/delete/",
        idle_times.idle_time_delete,
        name="idle-time-delete",
    ),
    path("idle-times/<str:subtype>/", idle_times.idle_time_save, name="idle-time-save"),
    path("controller-bot/", bot_settings.controller_bot, name="controller-bot"),
    path("retention/", retention.retention, name="retention"),
    path("alerts/", include(alert_urls)),
    path("audit-log/", audit_log.audit_log, name="audit-log"),
    path("audit-log/export/", audit_log.audit_export, name="audit-export"),
    path("audit-log/<uuid:entry_id>/", audit_log.audit_entry, name="audit-entry"),
]

# a/<account_id>/
account_urls: list[URLPattern | URLResolver] = [
    path("", home.account_home, name="account"),
    path("setup/", setting_up.account_setup, name="account-setup"),
    path("setup/controller-bot/", setting_up.setup_controller_bot, name="setup-controller-bot"),
    path("setup/admin/", setting_up.setup_admin, name="setup-admin"),
    path("setup/functions/", setting_up.setup_functions, name="setup-functions"),
    path("search/", searching.search, name="account-search"),
    path("session-token/", session_token.session_token, name="session-token"),
    path("settings/", include(settings_urls)),
    path("", include((console_urls, "functions"))),
]

# me/
me_urls: list[URLPattern | URLResolver] = [
    path("", me.profile, name="me"),
    path("e-mail/", me.email, name="me-email"),
    path("e-mail/<str:key>/", me.ConfirmEmail.as_view(), name="account_confirm_email"),
    path("confirm/password/", allauth_views.reauthenticate, name="account_reauthenticate"),
    path("confirm/code/", mfa_views.reauthenticate, name="mfa_reauthenticate"),
    path("confirm/passkey/", me.ConfirmByPasskey.as_view(), name="mfa_reauthenticate_webauthn"),
    path("second-factors/", me.second_factors, name="mfa_index"),
    path("second-factors/app/add/", totp.activate_totp, name="mfa_activate_totp"),
    path("second-factors/app/remove/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path(
        "second-factors/recovery-codes/", codes.view_recovery_codes, name="mfa_view_recovery_codes"
    ),
    path(
        "second-factors/recovery-codes/new/",
        codes.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    path(
        "passkeys/",
        RedirectView.as_view(pattern_name="mfa_index"),
        name="mfa_list_webauthn",
    ),
    path("passkeys/add/", passkeys.add_webauthn, name="mfa_add_webauthn"),
    path("passkeys/<int:pk>/rename/", passkeys.edit_webauthn, name="mfa_edit_webauthn"),
    path("passkeys/<int:pk>/remove/", passkeys.remove_webauthn, name="mfa_remove_webauthn"),
    path("single-sign-on/", single_sign_on.identities, name="single-sign-on"),
    path("single-sign-on/link/", single_sign_on.link, name="single-sign-on-link"),
    path(
        "single-sign-on/<int:identity_id>/unlink/",
        single_sign_on.unlink,
        name="single-sign-on-unlink",
    ),
    path("sessions/", me.sessions, name="usersessions_list"),
    path("sessions/end/", me.sessions_end, name="sessions-end"),
    path(
        "sessions/command-line/<uuid:login_id>/end/", me.command_line_end, name="command-line-end"
    ),
    path("sessions/<int:session_id>/end/", me.session_end, name="session-end"),
]

# api/account/<account_id>/, where the vendor's clients look
api_account_urls: list[URLPattern | URLResolver] = [
    path("service/baseURI.json", vendor.Services.as_view(), name="api-services"),
    path("login", vendor.Login.as_view(), name="api-login"),
    path("refresh", vendor.Refresh.as_view(), name="api-refresh"),
    path("", include((gateway_urls, "gateway"))),
    path("", include((api_urls, "api"))),
]

urlpatterns = [
    path("", signing_in.home, name="home"),
    path("sign-in/", signing_in.SignIn.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("password/", me.password, name="password"),
    # The names below are those that django-allauth looks for. What it also has, such as signing
    # up, has no address here.
    path("sign-in/", signing_in.SignIn.as_view(), name="account_login"),
    path("sign-out/", LogoutView.as_view(), name="account_logout"),
    path("sign-in/inactive/", allauth_views.account_inactive, name="account_inactive"),
    path("sign-in/single-sign-on/", single_sign_on.leave, name="single-sign-on-leave"),
    path("sign-in/single-sign-on/back/", single_sign_on.back, name="single-sign-on-back"),
    path("sign-in/second-factor/", mfa_views.authenticate, name="mfa_authenticate"),
    path("sign-in/passkey/", signing_in.SignInByPasskey.as_view(), name="mfa_login_webauthn"),
    path("sign-in/forgotten/", signing_in.Forgotten.as_view(), name="account_reset_password"),
    path(
        "sign-in/forgotten/sent/",
        allauth_views.password_reset_done,
        name="account_reset_password_done",
    ),
    re_path(
        r"^sign-in/new-password/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/\Z",
        signing_in.NewPassword.as_view(),
        name="account_reset_password_from_key",
    ),
    path(
        "sign-in/new-password/",
        allauth_views.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("invitation/<str:token>/", invitations.invitation, name="invitation"),
    path("me/", include(me_urls)),
    path("theme/", signing_in.theme, name="theme"),
    path("search/", searching.search, name="search"),
    # In debug mode only.
    path("ui/", patterns.patterns, name="patterns"),
    path("help/", handbook.index, name="help"),
    path("help/<slug:slug>/", handbook.page, name="help-page"),
    path("accounts/", accounts.account_list, name="accounts"),
    path("accounts/new/", accounts.account_new, name="account-new"),
    path("accounts/health/", health.page, name="health"),
    path("accounts/people/", people.person_list, name="people"),
    path("accounts/people/<int:user_id>/", people.person, name="person"),
    path("accounts/people/<int:user_id>/reset/", people.person_reset, name="person-reset"),
    path("accounts/people/<int:user_id>/factors/", people.person_factors, name="person-factors"),
    path("accounts/people/<int:user_id>/switch/", people.person_switch, name="person-switch"),
    path("a/<str:account_id>/", include(account_urls)),
    # Messaging platforms, signed by each in its own way.
    path("events/", include(event_urls)),
    path("api/account/<str:account_id>/", include(api_account_urls)),
    path(
        "sentinel/api/account/<str:account_id>/app/token",
        vendor.AppToken.as_view(),
        name="api-token",
    ),
    path(
        "sentinel/api/v2/account/<str:account_id>/app/token",
        vendor.AppTokenInWords.as_view(),
        name="api-token-v2",
    ),
    path("api/schema/", OpenApi.as_view(), name="openapi"),
    path("api-reference/", reference.index, name="reference"),
    path("api-reference/<slug:slug>/", reference.group, name="reference-group"),
    # Whatever watches over the processes.
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", exposition.metrics, name="exposition"),
]

handler400 = "houston.errors.bad_request"
handler403 = "houston.errors.permission_denied"
handler404 = "houston.errors.page_not_found"
handler500 = "houston.errors.server_error"
