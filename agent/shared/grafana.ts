import { dump } from 'js-yaml';
import { formatDuration } from './duration.ts';

/** The variables of Grafana's environment that a file names. With `bind_env=true` a Grafana on Tsuru has both. */
const PASSWORD = '$PROMETHEUS_PASSWORD';
const URL_VARIABLE = '$PROMETHEUS_URL';

/** What a Grafana must know of an instance. */
export interface Datasource {
  /** The app of the instance: at most 40 letters, digits and dashes, which Grafana takes as a uid. */
  readonly app: string;
  /** Where Grafana reaches it; undefined while Tsuru reports no address. */
  readonly url: string | undefined;
  readonly username: string;
  /** Undefined: Grafana reads it from its environment. */
  readonly password?: string;
  readonly scrapeIntervalMs: number;
}

/** A file for Grafana's folder provisioning/datasources. `showsPassword` is the command that shows the password. */
export function renderDatasource(datasource: Datasource, showsPassword: string): string {
  const { app, url, username, password, scrapeIntervalMs } = datasource;
  const comments = [
    `The Prometheus instance ${app} of Tsuru as a data source of Grafana: a file for its folder provisioning/datasources.`,
    ...(password === undefined
      ? [
          `Grafana needs the variable PROMETHEUS_PASSWORD in its environment: "${showsPassword}" shows its value.`,
          'Where Grafana has several instances, name a variable of its own in each file.',
        ]
      : ['It holds the password of the instance: keep it as you keep passwords.']),
    ...(url === undefined
      ? ['Tsuru reports no address of this instance: set the variable PROMETHEUS_URL to where Grafana reaches it.']
      : []),
  ];
  const file = {
    apiVersion: 1,
    datasources: [
      {
        name: app,
        uid: app,
        type: 'prometheus',
        access: 'proxy',
        url: url === undefined ? URL_VARIABLE : literal(url),
        basicAuth: true,
        basicAuthUser: literal(username),
        // Queries are long: in a URL, they would be in logs.
        jsonData: { httpMethod: 'POST', timeInterval: formatDuration(scrapeIntervalMs) },
        secureJsonData: { basicAuthPassword: password === undefined ? PASSWORD : literal(password) },
      },
    ],
  };
  return withComments(comments, file);
}

/** A file for Grafana's folder provisioning/dashboards. */
export function renderDashboardProvider(): string {
  const comments = [
    'The dashboards of Prometheus as a Service: a file for the folder provisioning/dashboards of Grafana.',
    'Put app.json and instance.json into the folder that is named in path.',
  ];
  const provider = { name: 'tsuru-prometheus', folder: 'Tsuru', type: 'file' };
  const options = { path: '/var/lib/grafana/dashboards/tsuru' };
  return withComments(comments, { apiVersion: 1, providers: [{ ...provider, options }] });
}

function withComments(comments: readonly string[], file: object): string {
  return `${comments.map((line) => `# ${line}\n`).join('')}${dump(file, { lineWidth: -1 })}`;
}

/** Grafana takes `$` for the start of a variable, and `$$` for itself. */
function literal(text: string): string {
  return text.replaceAll('$', '$$$$');
}
