// What the page says, in English and French.

import { kept } from "./dom.js";

const storage = kept("localStorage");

const en = {
  title: "Guest visits",
  skip: "To the numbers",
  language: "Language",
  theme_system: "Colours: as the system has them",
  theme_light: "Colours: light",
  theme_dark: "Colours: dark",
  site: "Site",
  allSites: "All sites",
  filters: "Range and filters",
  numbers: "Numbers at a glance",
  range: "Range",
  range_1: "Today",
  range_7: "7 days",
  range_30: "30 days",
  range_90: "90 days",
  range_365: "12 months",
  range_other: "{0} days",
  source: "Source",
  all: "All",
  web: "Web",
  app: "App",
  live_one: "{0} guest in the last {1} minutes",
  live_other: "{0} guests in the last {1} minutes",
  liveViews: "{0} views. The filters do not change this number.",
  today: "Today",
  yesterday: "Yesterday",
  days_7: "7 days",
  days_30: "30 days",
  all_time: "All time",
  since: "since {0}",
  guests: "Guests",
  views: "Views",
  guests_one: "guest",
  guests_other: "guests",
  views_one: "view",
  views_other: "views",
  shareOf: "Share",
  partials_one: "and {0} partial request",
  partials_other: "and {0} partial requests",
  partialsWhy: "Parts of a page that a script fetched (HTMX). They are in no other number.",
  changeBefore_today: "compared with yesterday up to the same hour ({0})",
  changeBefore_other: "compared with the period before ({0})",
  noBefore: "Nothing to compare with",
  chart: "Views and guests",
  chartHelp: "The arrow keys go from point to point. The same numbers are in the table below.",
  asTable: "As a table",
  period: "Period",
  period_hourly: "Hours",
  period_daily: "Days",
  period_weekly: "Weeks",
  period_monthly: "Months",
  when: "When",
  before: "Period before",
  viewsBefore: "Views before",
  guestsBefore: "Guests before",
  weekOf: "Week of {0}",
  unfinished: "not over yet",
  map: "Where guests come from",
  mapHelp: "The arrow keys go from country to country, Enter filters.",
  fewer: "0",
  countries: "Countries",
  pages: "Pages",
  referrers: "Referrers",
  devices: "Devices",
  browsers: "Browsers",
  systems: "Systems",
  country: "Country",
  path: "Page",
  referrer: "Referrer",
  device: "Device",
  browser: "Browser",
  os: "System",
  device_mobile: "Mobile",
  device_tablet: "Tablet",
  device_desktop: "Desktop",
  device_bot: "Bot",
  device_other: "Other",
  direct: "Direct, no referrer",
  other: "(other)",
  unknown: "Unknown",
  more: "Show more",
  moreOf: "{0} more",
  nothing: "Nothing in this range.",
  nothingFiltered: "Nothing that passes the filters.",
  filterBy: "Filter: {0}",
  unfilter: "Remove the filter {0}",
  clearAll: "Remove all filters",
  again: "Try again",
  troubleTitle: "The numbers cannot be read right now.",
  troubleNobody: "parvis does not answer.",
  troubleStatus: "The answer was {0}.",
  troubleStale: "What is shown may be out of date.",
  badTitle: "This question cannot be answered.",
  badAllowed: "{0}. Allowed: {1}.",
  tokenTitle: "A token is needed",
  tokenWhy: "The admin interface has a token: the key “token” of [admin] in parvis.toml. It is kept for this tab only and forgotten when the tab is closed.",
  tokenLabel: "Token",
  tokenSend: "Open",
  tokenWrong: "This is not the token.",
  forget: "Forget the token",
  emptyTitle: "No visits yet",
  emptyHow: "Visits are recorded for sites that say so. One line in the site's file, then parvis reload:",
  emptyFile: "# conf/sites/example.toml",
  emptyCheck: "parvis counts views of HTML pages by guests: not bots, not visitors who are signed in, not errors or redirects.",
  emptyWaits: "The numbers appear here by themselves with the first visit.",
  told: "Days begin at midnight in {0}. As of {1}.",
  credits: "Map: Natural Earth. Chart: uPlot.",
};

const fr = {
  title: "Visites",
  skip: "Aller aux chiffres",
  language: "Langue",
  theme_system: "Couleurs : celles du système",
  theme_light: "Couleurs : claires",
  theme_dark: "Couleurs : sombres",
  site: "Site",
  allSites: "Tous les sites",
  filters: "Période et filtres",
  numbers: "Chiffres clés",
  range: "Période",
  range_1: "Aujourd’hui",
  range_7: "7 jours",
  range_30: "30 jours",
  range_90: "90 jours",
  range_365: "12 mois",
  range_other: "{0} jours",
  source: "Source",
  all: "Tout",
  web: "Web",
  app: "Appli",
  live_one: "{0} visiteur ces {1} dernières minutes",
  live_other: "{0} visiteurs ces {1} dernières minutes",
  liveViews: "{0} vues. Les filtres ne changent pas ce chiffre.",
  today: "Aujourd’hui",
  yesterday: "Hier",
  days_7: "7 jours",
  days_30: "30 jours",
  all_time: "Depuis le début",
  since: "depuis le {0}",
  guests: "Visiteurs",
  views: "Vues",
  guests_one: "visiteur",
  guests_other: "visiteurs",
  views_one: "vue",
  views_other: "vues",
  shareOf: "Part",
  partials_one: "et {0} requête partielle",
  partials_other: "et {0} requêtes partielles",
  partialsWhy: "Des parties de page demandées par un script (HTMX). Elles ne sont dans aucun autre chiffre.",
  changeBefore_today: "par rapport à hier jusqu’à la même heure ({0})",
  changeBefore_other: "par rapport à la période précédente ({0})",
  noBefore: "Rien à comparer",
  chart: "Vues et visiteurs",
  chartHelp: "Les flèches vont d’un point à l’autre. Les mêmes chiffres sont dans le tableau ci-dessous.",
  asTable: "En tableau",
  period: "Intervalle",
  period_hourly: "Heures",
  period_daily: "Jours",
  period_weekly: "Semaines",
  period_monthly: "Mois",
  when: "Quand",
  before: "Période précédente",
  viewsBefore: "Vues avant",
  guestsBefore: "Visiteurs avant",
  weekOf: "Semaine du {0}",
  unfinished: "en cours",
  map: "D’où viennent les visiteurs",
  mapHelp: "Les flèches vont d’un pays à l’autre, Entrée filtre.",
  fewer: "0",
  countries: "Pays",
  pages: "Pages",
  referrers: "Provenance",
  devices: "Appareils",
  browsers: "Navigateurs",
  systems: "Systèmes",
  country: "Pays",
  path: "Page",
  referrer: "Provenance",
  device: "Appareil",
  browser: "Navigateur",
  os: "Système",
  device_mobile: "Mobile",
  device_tablet: "Tablette",
  device_desktop: "Ordinateur",
  device_bot: "Robot",
  device_other: "Autre",
  direct: "Accès direct",
  other: "(autres)",
  unknown: "Inconnu",
  more: "Afficher plus",
  moreOf: "encore {0}",
  nothing: "Rien sur cette période.",
  nothingFiltered: "Rien avec ces filtres.",
  filterBy: "Filtrer : {0}",
  unfilter: "Retirer le filtre {0}",
  clearAll: "Retirer tous les filtres",
  again: "Réessayer",
  troubleTitle: "Les chiffres ne peuvent pas être lus pour l’instant.",
  troubleNobody: "parvis ne répond pas.",
  troubleStatus: "La réponse était {0}.",
  troubleStale: "Ce qui est affiché n’est peut-être plus à jour.",
  badTitle: "Cette question n’a pas de réponse.",
  badAllowed: "{0}. Permis : {1}.",
  tokenTitle: "Il faut un jeton",
  tokenWhy: "L’interface d’administration a un jeton : la clé « token » de [admin] dans parvis.toml. Il est gardé pour cet onglet seulement et oublié à sa fermeture.",
  tokenLabel: "Jeton",
  tokenSend: "Ouvrir",
  tokenWrong: "Ce n’est pas le bon jeton.",
  forget: "Oublier le jeton",
  emptyTitle: "Pas encore de visites",
  emptyHow: "Les visites sont comptées pour les sites qui le demandent. Une ligne dans le fichier du site, puis parvis reload :",
  emptyFile: "# conf/sites/exemple.toml",
  emptyCheck: "parvis compte les pages HTML vues par des visiteurs anonymes : ni robots, ni personnes connectées, ni erreurs, ni redirections.",
  emptyWaits: "Les chiffres apparaîtront ici d’eux-mêmes à la première visite.",
  told: "Les jours commencent à minuit ({0}). État à {1}.",
  credits: "Carte : Natural Earth. Graphique : uPlot.",
};

const LANGUAGES = { en, fr };

function first() {
  const chosen = storage.get("parvis-language");
  const wanted = [chosen, ...(navigator.languages ?? [navigator.language])];
  const known = wanted.map((tag) => tag?.slice(0, 2).toLowerCase());
  return known.find((tag) => Object.hasOwn(LANGUAGES, tag)) ?? "en";
}

let current = first();

/** The language in force. */
export const language = () => current;

/** The reader's own kind of it, for numbers and dates: "en" may be "en-GB". */
export const locale = () =>
  navigator.languages?.find((tag) => tag.toLowerCase().startsWith(`${current}-`)) ?? current;

export function chooseLanguage(tag) {
  current = tag;
  storage.set("parvis-language", tag);
}

/** A text, with its {0}, {1} filled in. */
export const text = (key, ...values) =>
  (LANGUAGES[current][key] ?? key).replace(/\{(\d)\}/g, (_, place) => values[place] ?? "");

/** A text for a number: `key_one` or `key_other` by the language's rule (0 is singular in French). */
export function counted(key, value, ...values) {
  const rule = new Intl.PluralRules(current).select(value) === "one" ? "one" : "other";
  return text(`${key}_${rule}`, ...values);
}

/** Says all that the HTML holds in the language in force. */
export function translate(root) {
  document.documentElement.lang = current;
  document.title = `${text("title")} – parvis`;
  for (const each of root.querySelectorAll("[data-text]")) each.textContent = text(each.dataset.text);
  for (const each of root.querySelectorAll("[data-label]")) {
    each.setAttribute("aria-label", text(each.dataset.label));
  }
}
