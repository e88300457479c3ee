"""What a site sets SOUVENIRS_USER_FUNCTION to."""


def graphql_user(request):
    return getattr(request, "graphql_user", None)


def graphql_user_pk(request):
    found = graphql_user(request)
    return None if found is None else found.pk
