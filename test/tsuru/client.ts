// What tests, the demo and this folder's own main ask of a Tsuru, in one line each.

export interface Client {
  /** Asks for a path such as '/1.0/apps', with a body as JSON or as a form. */
  call(method: string, path: string, body?: Form | { readonly json: unknown }): Promise<Reply>;
}

export interface Form {
  readonly form: Readonly<Record<string, string | number | readonly string[]>>;
}

export interface Reply {
  readonly status: number;
  /** '' when there is none. */
  readonly contentType: string;
  readonly body: string;
  readonly headers: Headers;
}

export function createClient(url: string, token: string): Client {
  return {
    async call(method, path, body) {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          Authorization: `bearer ${token}`,
          ...(body === undefined ? {} : { 'Content-Type': contentTypeOf(body) }),
        },
        ...(body === undefined ? {} : { body: encoded(body) }),
      });
      return {
        status: response.status,
        contentType: response.headers.get('content-type') ?? '',
        body: await response.text(),
        headers: response.headers,
      };
    },
  };
}

/** Creates an app and deploys an image to it; more units of its process web are added when asked for. */
export async function createApp(client: Client, name: string, image: string, units = 1): Promise<void> {
  await must(client.call('POST', '/1.0/apps', { json: { name, teamOwner: 'shop', pool: 'dev' } }), 201);
  const deploy = await must(client.call('POST', `/1.0/apps/${name}/deploy`, { form: { image, origin: 'image' } }), 200);
  if (!deploy.body.endsWith('\nOK\n')) throw new Error(`deploy of ${name}: ${deploy.body}`);
  if (units > 1) {
    await must(client.call('PUT', `/1.0/apps/${name}/units`, { form: { units: units - 1, process: 'web' } }), 200);
  }
}

async function must(reply: Promise<Reply>, status: number): Promise<Reply> {
  const answered = await reply;
  if (answered.status !== status) throw new Error(`Tsuru answered ${answered.status}: ${answered.body}`);
  return answered;
}

function contentTypeOf(body: Form | { readonly json: unknown }): string {
  return 'json' in body ? 'application/json' : 'application/x-www-form-urlencoded';
}

function encoded(body: Form | { readonly json: unknown }): string {
  if ('json' in body) return typeof body.json === 'string' ? body.json : JSON.stringify(body.json);
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(body.form)) {
    for (const item of Array.isArray(value) ? value : [value]) params.append(name, String(item));
  }
  return params.toString();
}
