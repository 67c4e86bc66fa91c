import { renderDashboardProvider } from '../../agent/shared/grafana.ts';
import { grafanaDashboard, grafanaDatasource } from '../instances/grafana.ts';
import { assertName, INSTANCE, type Route } from './route.ts';

/**
 * The files by which a Grafana finds an instance. Tsuru relays to them what its proxy of instances is asked, and there it demands a permission
 * for the instance. Nothing of them may be below /authenticated-resources: there any token of Tsuru may read.
 */
export const GRAFANA_ROUTES: readonly Route[] = [
  {
    ...text('datasource.yaml', 'The instance as a data source of Grafana, without its password'),
    answer: async ({ context, name }) => ({
      status: 200,
      text: await grafanaDatasource(context, assertName(name), false),
    }),
  },
  {
    ...text('datasource-with-password.yaml', 'The instance as a data source of Grafana, with its password'),
    answer: async ({ context, name }) => ({
      status: 200,
      text: await grafanaDatasource(context, assertName(name), true),
    }),
  },
  {
    ...text('dashboards.yaml', 'The folder of the dashboards, for Grafana'),
    answer: () => ({ status: 200, text: renderDashboardProvider() }),
  },
  dashboard('app.json', 'The dashboard of an app'),
  dashboard('instance.json', 'The dashboard of an instance'),
];

type Described = Pick<Route, 'method' | 'path' | 'summary' | 'answers'>;

function text(file: string, summary: string): Described {
  return { method: 'GET', path: `${INSTANCE}/grafana/${file}`, summary, answers: { 200: 'the file' } };
}

function dashboard(file: `${string}.json`, summary: string): Route {
  return {
    ...text(file, summary),
    isJson: true,
    answer: async ({ context, name }) => ({
      status: 200,
      json: await grafanaDashboard(context, assertName(name), file),
    }),
  };
}
