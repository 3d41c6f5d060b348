// Light or dark, before anything is painted: this script is the only one that the page waits for.
// "system" is what is in force when nothing was chosen.
try {
  const chosen = localStorage.getItem("parvis-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; the page works without.
}
