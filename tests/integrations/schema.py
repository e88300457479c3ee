"""A site's GraphQL with Strawberry: a session, or a bearer token that the view looks at."""

import strawberry
from asgiref.sync import sync_to_async
from strawberry.django.context import StrawberryDjangoContext
from strawberry.django.views import AsyncGraphQLView, GraphQLView

from tests.integrations.api import user_of


@strawberry.type
class Query:
    @strawberry.field
    def answer(self) -> int:
        return 42

    @strawberry.field
    def signed_in(self, info: strawberry.Info) -> bool:
        return info.context.request.user.is_authenticated


@strawberry.type
class AsyncQuery:
    @strawberry.field
    async def answer(self) -> int:
        return 42

    @strawberry.field
    async def signed_in(self, info: strawberry.Info) -> bool:
        found = await info.context.request.auser()
        return found.is_authenticated


schema = strawberry.Schema(Query)
async_schema = strawberry.Schema(AsyncQuery)


def token_of(request):
    return request.headers.get("authorization", "").removeprefix("Bearer ")


class TokenGraphQLView(GraphQLView):
    def get_context(self, request, response):
        request.graphql_user = user_of(token_of(request))
        return StrawberryDjangoContext(request=request, response=response)


class AsyncTokenGraphQLView(AsyncGraphQLView):
    async def get_context(self, request, response):
        request.graphql_user = await sync_to_async(user_of)(token_of(request))
        return StrawberryDjangoContext(request=request, response=response)
