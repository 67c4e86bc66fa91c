import { expect } from '../../support/instance.ts';
import { createApp, type Client } from '../../tsuru/client.ts';

/** What is in the same Tsuru and belongs to nobody's instance, though some of it looks so. */
const APPS = ['prometheus-of-ours', 'prometheus-lookalike', 'tagged-as-instance', 'metrics-one'] as const;
const TOKENS = ['prometheus-somebody', 'reader-of-ours'] as const;
const VOLUMES = ['prometheus-disk'] as const;
const ROLES = ['prometheus-reader', 'prometheus-broker', 'of-somebody'] as const;
const TAGS: Readonly<Record<string, readonly string[]>> = {
  'prometheus-lookalike': ['prometheus-instance=prometheus/lookalike', 'prometheus-instance=prometheus-lookalike'],
  'tagged-as-instance': ['prometheus-instance=prometheus/i-1', 'prometheus-instance=prometheus-i-1'],
  'metrics-one': ['prometheus-instance=metrics/one', 'prometheus-instance=metrics-one'],
};

export async function createBystanders(admin: Client): Promise<void> {
  const post = (path: string, form: Readonly<Record<string, string>>): Promise<unknown> =>
    expect(admin.call('POST', path, { form }), 200, 201);
  for (const app of APPS) {
    await createApp(admin, app, 'shop/app:1');
    const annotations = app === 'metrics-one' ? [{ name: 'prometheus-service/instance', value: TAGS[app]?.[0] }] : [];
    const json = { tags: TAGS[app] ?? ['of-ours'], metadata: { annotations }, noRestart: true };
    await expect(admin.call('PUT', `/1.0/apps/${app}`, { json }), 200);
  }
  for (const token_id of TOKENS) {
    await post('/1.6/tokens', { token_id, team: 'shop', description: 'of ours', expires_in: '0' });
    await post('/1.6/roles/prometheus-reader/token', { token_id, context: 'prometheus-of-ours' });
  }
  for (const Name of VOLUMES) {
    await post('/1.4/volumes', { Name, Pool: 'dev', TeamOwner: 'shop', 'Plan.Name': 'nfs' });
    await post(`/1.4/volumes/${Name}/bind`, { App: 'prometheus-of-ours', MountPoint: '/data', NoRestart: 'true' });
  }
  await post('/1.0/roles', { name: 'of-somebody', context: 'app' });
  await post('/1.0/roles/of-somebody/permissions', { permission: 'app.read' });
}

/** All that can be seen of them, a line each; Tsuru sorts nothing. */
export async function lookAtBystanders(admin: Client): Promise<readonly string[]> {
  const paths = [
    ...APPS.flatMap((app) => [`/1.0/apps/${app}`, `/1.0/apps/${app}/env`]),
    ...TOKENS.map((token) => `/1.7/tokens/${token}`),
    ...VOLUMES.map((volume) => `/1.4/volumes/${volume}`),
    ...ROLES.map((role) => `/1.0/roles/${role}`),
  ];
  const lines: string[] = [];
  for (const path of paths) {
    const { status, body } = await admin.call('GET', path);
    // When it was last used says nothing about who has touched it.
    const words = body.replace(/"last_access":"[^"]*"/, '').split(/[{}[\],]+/);
    lines.push(`${path}: ${status} ${words.sort().join(' ')}`);
  }
  return lines;
}
