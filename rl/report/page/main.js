// Last of the scripts: starts the others.
startTheme();
startContents();
startFigures();
if (document.getElementById("packed-samples")) startSamples();
