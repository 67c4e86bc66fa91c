import type { Client, Form, Reply } from '../tsuru/client.ts';

/** The role that lets an instance's token read one app. */
const READER = 'prometheus-reader';

/** An instance's part in Tsuru: its own app's name, and the token that holds its binds. */
export interface Instance {
  readonly app: string;
  readonly token: string;
  bind(app: string): Promise<void>;
  unbind(app: string): Promise<void>;
}

/** Makes what an instance needs in Tsuru, in the calls that the broker will make: the role, the token, and the grants of binds. */
export async function createInstance(admin: Client, name: string, team: string): Promise<Instance> {
  const app = `prometheus-${name}`;
  const post = (path: string, form: Form['form'], ...allowed: readonly number[]): Promise<Reply> =>
    expect(admin.call('POST', path, { form }), ...allowed);

  // Many instances share the role.
  await post('/1.0/roles', { name: READER, context: 'app', description: 'Read the units of one app' }, 201, 409);
  await post(`/1.0/roles/${READER}/permissions`, { permission: 'app.read.info' }, 200);
  const { body } = await post(
    '/1.6/tokens',
    { token_id: app, team, description: `The agent of ${name}`, expires_in: 0 },
    201,
  );
  const { token } = JSON.parse(body) as { token: string };
  return {
    app,
    token,
    async bind(bound) {
      await post(`/1.6/roles/${READER}/token`, { token_id: app, context: bound }, 200);
    },
    async unbind(bound) {
      const path = `/1.6/roles/${READER}/token/${app}?context=${encodeURIComponent(bound)}`;
      await expect(admin.call('DELETE', path), 200);
    },
  };
}

/** Waits for a reply and fails unless its status is one of these. */
export async function expect(reply: Promise<Reply>, ...allowed: readonly number[]): Promise<Reply> {
  const answered = await reply;
  if (!allowed.includes(answered.status)) throw new Error(`Tsuru answered ${answered.status}: ${answered.body.trim()}`);
  return answered;
}
