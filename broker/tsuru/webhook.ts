/** The route of the broker that takes events of Tsuru. */
export const EVENTS_PATH = '/events';

/** Kinds of events after which targets may differ. Each stands for all kinds below it, such as app.update.unit.add. */
export const EVENT_KINDS = ['app.deploy', 'app.update', 'app.create', 'app.delete'] as const;

/** A Go template over the event. Without one, Tsuru sends the whole event, with its log and the e-mail address of its owner. */
export const WEBHOOK_BODY = '{"app":"{{.Target.Value}}","kind":"{{.Kind.Name}}"}';

/** What Tsuru takes for the name of an app. */
const APP_NAME = /^[a-z][a-z0-9-]{0,39}$/;

export interface WebhookOptions {
  readonly name: string;
  /** The team that owns the webhook: it gets the events of all teams. */
  readonly team: string;
  /** Where Tsuru reaches the broker. */
  readonly brokerUrl: string;
  /** The value of `BROKER_EVENTS_TOKEN`. Every user of Tsuru can read it. */
  readonly token: string;
}

/** The one webhook of the service, as `POST /1.6/events/webhooks` and `PUT .../NAME` take it. */
export function webhookOf({ name, team, brokerUrl, token }: WebhookOptions) {
  return {
    name,
    description: 'Tells the broker of Prometheus instances which app changed',
    team_owner: team,
    url: `${brokerUrl.replace(/\/+$/, '')}${EVENTS_PATH}`,
    method: 'POST',
    headers: { Authorization: [`Bearer ${token}`], 'Content-Type': ['application/json'] },
    body: WEBHOOK_BODY,
    event_filter: { target_types: ['app'], kind_names: EVENT_KINDS },
  };
}

export function isEventKind(kind: string): boolean {
  return EVENT_KINDS.some((known) => kind === known || kind.startsWith(`${known}.`));
}

export function isAppName(name: string): boolean {
  return APP_NAME.test(name);
}
