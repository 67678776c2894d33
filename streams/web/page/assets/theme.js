// Before the first paint: the colours that were chosen here, if any.
const theme = localStorage.getItem("interest-stream.theme");
if (theme !== null) document.documentElement.dataset.theme = theme;
