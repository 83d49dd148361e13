"""People who may come in: Django's users, whose role is a group of that name.

Superusers, which ``createsuperuser`` makes, are administrators.
"""

from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from sessions_app import callers
from sessions_app.callers import Role
from sessions_app.errors import Conflict, Invalid, NotFound
from sessions_app.models import AuditEvent

#: Whom one-time links sign in that were made for nobody else.
ADMINISTRATOR = "admin"
#: The permission that lets an operator act on sessions of others.
MANAGES_OTHERS = "manage_others"


def role_of(user: User) -> Role | None:
    """The highest role among a user's groups; None without any."""
    if user.is_superuser:
        return Role.ADMINISTRATOR
    names = set(user.groups.values_list("name", flat=True))
    return next((role for role in reversed(Role) if role in names), None)


def manages_others(user: User) -> bool:
    """Whether a user may act on sessions of others."""
    return user.has_perm(f"sessions_app.{MANAGES_OTHERS}")


def word_to_role(word: object) -> Role:
    """A role by its name.

    Raises:
        Invalid: there is none of that name.
    """
    try:
        return Role(str(word))
    except ValueError:
        raise Invalid(
            f"the role must be one of {', '.join(Role)}, not {str(word)[:40]!r}"
        ) from None


def get(name: str) -> User:
    """A user by name.

    Raises:
        NotFound: there is none.
    """
    try:
        return User.objects.get(username=name)
    except User.DoesNotExist:
        raise NotFound(f"there is no user {name[:80]!r}; `hive user list` shows them") from None


def create(name: str, role: Role, *, others: bool = False) -> User:
    """A new user without a password; a one-time link lets them in to choose one.

    Raises:
        Invalid: the name cannot be taken.
        Conflict: there is such a user.
        Forbidden: the caller is no administrator.
    """
    callers.require(Role.ADMINISTRATOR, "create users")
    user = User(username=name)
    user.set_unusable_password()
    try:
        user.clean_fields(exclude=["password"])
        with transaction.atomic():
            user.save(force_insert=True)
            _assign(user, role, others=others)
            AuditEvent.objects.record("user_created", user=name, role=role, others=others)
    except ValidationError as error:
        raise Invalid(f"the user name {name[:80]!r}: {' '.join(error.messages)}") from None
    except IntegrityError:
        raise Conflict(f"there is a user {name!r} already") from None
    return user


def assign(name: str, role: Role, *, others: bool = False) -> User:
    """Give a user a role in the place of the one they have.

    Raises:
        NotFound: there is no such user.
        Forbidden: the caller is no administrator.
    """
    callers.require(Role.ADMINISTRATOR, "change users")
    user = get(name)
    with transaction.atomic():
        _assign(user, role, others=others)
        AuditEvent.objects.record("role_changed", user=name, role=role, others=others)
    return user


def set_active(name: str, *, active: bool) -> User:
    """Lock a user out, or let them in again. Their browsers and tokens are out within a second.

    Raises:
        NotFound: there is no such user.
        Forbidden: the caller is no administrator.
    """
    callers.require(Role.ADMINISTRATOR, "change users")
    user = get(name)
    with transaction.atomic():
        User.objects.filter(id=user.id).update(is_active=active)
        AuditEvent.objects.record("user_enabled" if active else "user_disabled", user=name)
    return user


def administrator() -> User:
    """The user ``admin``, made if there is none yet."""
    with transaction.atomic():
        user, made = User.objects.get_or_create(username=ADMINISTRATOR)
        if made:
            user.set_unusable_password()
            user.save(update_fields=["password"])
            _assign(user, Role.ADMINISTRATOR)
    return user


def anybody_has_signed_in() -> bool:
    """Whether an account was ever used: else the first start shows the way in."""
    return User.objects.filter(last_login__isnull=False).exists()


def _assign(user: User, role: Role, *, others: bool = False) -> None:
    # A superuser is an administrator whatever the groups say: from now on the role counts.
    User.objects.filter(id=user.id, is_superuser=True).update(is_superuser=False)
    roles = {name: Group.objects.get_or_create(name=name)[0] for name in Role}
    user.groups.remove(*(group for name, group in roles.items() if name != role))
    user.groups.add(roles[role])
    permission = Permission.objects.get(
        content_type__app_label="sessions_app", codename=MANAGES_OTHERS
    )
    if others:
        user.user_permissions.add(permission)
    else:
        user.user_permissions.remove(permission)


def listed() -> list[User]:
    """All users by name.

    Raises:
        Forbidden: the caller is no administrator.
    """
    callers.require(Role.ADMINISTRATOR, "list users")
    return list(User.objects.order_by("username"))
