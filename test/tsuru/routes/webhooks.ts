import { demand, onlyTeam } from '../callers.ts';
import { badRequest, conflict, notFound } from '../errors.ts';
import { json, list, OK, type Answer, type Call, type Route } from '../http.ts';
import { child, flag, text, texts, type Tree } from '../input.ts';
import { covers, permits } from '../permissions.ts';
import type { Webhook } from '../webhooks.ts';
import type { World } from '../world.ts';

const NAME = /^[a-z][a-z0-9-]{0,39}$/;
const BAD_NAME =
  'Invalid webhook name, webhook name should have at most 40 characters, containing only lower case letters, numbers or dashes, starting with a letter.';

export function webhookRoutes(world: World): Route[] {
  const { state } = world;
  const named = ({ params }: Call): Webhook => {
    const webhook = state.webhooks.get(params['webhook'] ?? '');
    if (webhook === undefined) throw notFound('webhook not found');
    return webhook;
  };
  return [
    {
      method: 'GET',
      path: '/events/webhooks',
      // A permission narrows the list to its teams: without any, all is there.
      answer: ({ caller: { permissions } }) => {
        const isNarrowed = permissions.some(({ name }) => covers(name, 'webhook.read'));
        return list(
          [...state.webhooks.values()]
            .filter(({ teamOwner }) => !isNarrowed || permits(permissions, 'webhook.read', [teamContext(teamOwner)]))
            .map(webhookJson),
        );
      },
    },
    {
      method: 'POST',
      path: '/events/webhooks',
      answer: (call) => {
        const { tree } = call.body;
        const teamOwner = text(tree, 'team_owner') || onlyTeam(state.teams);
        return changeWebhook(world, call, 'create', webhookOf(tree, text(tree, 'name'), teamOwner), (webhook) => {
          if (webhook.name === '') throw badRequest('webhook name must not be empty');
          if (!NAME.test(webhook.name)) throw badRequest(BAD_NAME);
          checkUrl(webhook);
          if (state.webhooks.has(webhook.name)) throw conflict('webhook already exists');
          state.webhooks.set(webhook.name, webhook);
        });
      },
    },
    {
      method: 'GET',
      path: '/events/webhooks/:webhook',
      answer: (call) => {
        const webhook = named(call);
        demand(call.caller, 'webhook.read', [teamContext(webhook.teamOwner)]);
        return json(webhookJson(webhook));
      },
    },
    {
      method: 'PUT',
      path: '/events/webhooks/:webhook',
      answer: (call) => {
        const { name } = named(call);
        const { tree } = call.body;
        // All of it, the team too, whose permission is asked for: not that of the stored one.
        const teamOwner = text(tree, 'team_owner') || onlyTeam(state.teams);
        return changeWebhook(world, call, 'update', webhookOf(tree, name, teamOwner), (webhook) => {
          checkUrl(webhook);
          state.webhooks.set(name, webhook);
        });
      },
    },
    {
      method: 'DELETE',
      path: '/events/webhooks/:webhook',
      answer: (call) =>
        changeWebhook(world, call, 'delete', named(call), ({ name }) => {
          state.webhooks.delete(name);
        }),
    },
  ];
}

async function changeWebhook(
  { events }: World,
  { caller }: Call,
  action: string,
  webhook: Webhook,
  work: (webhook: Webhook) => void,
): Promise<Answer> {
  const kind = `webhook.${action}`;
  demand(caller, kind, [teamContext(webhook.teamOwner)]);
  await events.run({ kind, target: { type: 'webhook', value: webhook.name }, owner: caller.owner }, () => {
    work(webhook);
    return Promise.resolve();
  });
  return OK;
}

function checkUrl({ url }: Webhook): void {
  if (url === '') throw badRequest('webhook url must not be empty');
  if (!URL.canParse(url)) throw badRequest(`webhook url is not valid: parse "${url}": invalid URI for request`);
}

function webhookOf(tree: Tree, name: string, teamOwner: string): Webhook {
  const filter = child(tree, 'event_filter');
  const headers = child(tree, 'headers');
  return {
    name,
    teamOwner,
    description: text(tree, 'description'),
    url: text(tree, 'url'),
    method: text(tree, 'method'),
    headers: Object.fromEntries(Object.keys(headers).map((header) => [header, texts(headers, header)])),
    body: text(tree, 'body'),
    filter: {
      targetTypes: texts(filter, 'target_types'),
      targetValues: texts(filter, 'target_values'),
      kindTypes: texts(filter, 'kind_types'),
      kindNames: texts(filter, 'kind_names'),
      errorOnly: flag(filter, 'error_only'),
      successOnly: flag(filter, 'success_only'),
    },
  };
}

function webhookJson({ name, description, teamOwner, url, method, headers, body, filter }: Webhook) {
  return {
    name,
    description,
    team_owner: teamOwner,
    event_filter: {
      target_types: filter.targetTypes,
      target_values: filter.targetValues,
      kind_types: filter.kindTypes,
      kind_names: filter.kindNames,
      error_only: filter.errorOnly,
      success_only: filter.successOnly,
    },
    ...{ url, proxy_url: '', headers, method, body, insecure: false },
  };
}

function teamContext(value: string) {
  return { type: 'team', value };
}
