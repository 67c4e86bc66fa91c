import { READER, READER_PERMISSION } from '../../tsuru/grants.ts';
import { brokerPermissions } from '../../tsuru/permissions.ts';
import { EVENT_KINDS, EVENTS_PATH, WEBHOOK_BODY } from '../../tsuru/webhook.ts';
import { BROKER_TOKEN, type Installation } from './options.ts';

/** The commands of the tsuru client, and the manifest, that do what `setup` does; secrets are made where they are run. */
export function printedCommands(installation: Installation): readonly string[] {
  const { team, app, pool, plan, brokerImage, service, username, variables } = installation;
  const endpoint = installation.endpoint.replaceAll('{address}', `${app}.example.com`);
  const own = Object.entries(variables).map(([name, value]) => `${name}=${quoted(value)}`);
  return [
    `tsuru team-create ${team}`,
    `tsuru role-add ${READER} app`,
    `tsuru role-permission-add ${READER} ${READER_PERMISSION}`,
    `tsuru role-add ${BROKER_TOKEN} global`,
    `tsuru role-permission-add ${BROKER_TOKEN} ${brokerPermissions().join(' ')}`,
    `tsuru token-create --id ${BROKER_TOKEN} --team ${team}`,
    `tsuru role-assign ${BROKER_TOKEN} ${BROKER_TOKEN}`,
    '',
    '# The token that token-create has printed, and two secrets of your own.',
    'read -rs BROKER_TOKEN',
    'BROKER_PASSWORD=$(openssl rand -hex 24)',
    'BROKER_EVENTS_TOKEN=$(openssl rand -hex 24)',
    '',
    [
      'tsuru app-create',
      app,
      '-t',
      team,
      ...(pool === '' ? [] : ['-o', pool]),
      ...(plan === '' ? [] : ['-p', plan]),
    ].join(' '),
    `tsuru env-set -a ${app} --private --no-restart TSURU_TOKEN="$BROKER_TOKEN" BROKER_PASSWORD="$BROKER_PASSWORD" \\`,
    `  BROKER_EVENTS_TOKEN="$BROKER_EVENTS_TOKEN" ${own.join(' ')}`,
    `tsuru app-deploy -a ${app} -i ${brokerImage}`,
    '',
    '# The endpoint is where Tsuru reaches the broker\'s app: see "tsuru app-info".',
    `cat >manifest.yaml <<END`,
    `id: ${service}`,
    `username: ${username}`,
    'password: $BROKER_PASSWORD',
    `team: ${team}`,
    'endpoint:',
    `  production: ${endpoint}`,
    'END',
    'tsuru service-create manifest.yaml && rm manifest.yaml',
    `tsuru event-webhook-create ${service} ${endpoint}${EVENTS_PATH} -t ${team} --target-type app \\`,
    `  ${EVENT_KINDS.map((kind) => `--kind-name ${kind}`).join(' ')} \\`,
    `  -b '${WEBHOOK_BODY}' \\`,
    '  -H "Authorization=Bearer $BROKER_EVENTS_TOKEN" -H Content-Type=application/json',
    `tsuru service-plan-list ${service}`,
  ];
}

/** For a shell: as it is where that takes no harm. */
function quoted(value: string): string {
  return /^[\w./:@,+-]+$/.test(value) ? value : `'${value.replaceAll("'", String.raw`'\''`)}'`;
}
